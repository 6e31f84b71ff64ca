# The second of two hosts: does what the first one's scenario tells it, and takes its guests, until that scenario ends

busybox nc -ll -p 8001 -e /payload/dom0/answer.sh &
later kill $!
busybox nc -ll -p 8002 -e xl migrate-receive &
later kill $!
until [ -e /run/lab-peer-ends ]; do sleep 0.5; done
rm /run/lab-peer-ends
