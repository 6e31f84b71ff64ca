# A guest whose bridge is not there: xl says why, and nothing is left

make_bridge xenbr0
guest web pv 'mac=00:16:3e:00:00:11,bridge=nosuch'
fails xl create /run/web.cfg
has "$said" 'The bridge nosuch does not exist\. The bridges of this host are xenbr0\. Make it'
fails xl domid web
