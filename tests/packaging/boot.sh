#!/usr/bin/env bash
# Makes a root its own machine and becomes its systemd. Run in fresh mount, pid, net, uts, ipc and
# cgroup namespaces: boot.sh ROOT
set -euo pipefail
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,ro,bind "$root/proc/sys" # the kernel's settings are not this machine's to make
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
# Not chroot: systemd makes file systems of their own for its services, which needs a real root.
mkdir -p "$root/mnt/outside"
cd "$root"
pivot_root . mnt/outside
cd /
umount -l /mnt/outside
mount --make-rshared /
export container=namespaces
exec /lib/systemd/systemd --log-target=journal --unit=multi-user.target
