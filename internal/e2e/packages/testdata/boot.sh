# boot.sh ROOT WORK HOST CGROUP becomes a machine that runs systemd: on the system in the
# folder ROOT, which stays as it is, since what is written goes to WORK. All that is mounted
# is so in a namespace that ends with its last process.
set -euo pipefail

machine() { # ROOT WORK HOST
	mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/layer" "$2/system"
	cd "$2/system"
	mkdir -p host old
	mount --bind "$3" host
	mount -o remount,bind,ro host
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs -o mode=755 tmpfs dev
	local device
	for device in null zero full random urandom tty; do
		touch "dev/$device"
		mount --bind "/dev/$device" "dev/$device"
	done
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
	mount -t tmpfs -o mode=1777 tmpfs dev/shm
	ln -s pts/ptmx dev/ptmx
	ln -s /proc/self/fd dev/fd
	hostname machine
	pivot_root . old
	umount -l /old
	exec env -i container=ferryman PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/lib/systemd/systemd --unit=multi-user.target --log-target=console --show-status=false
}

mkdir "$2/upper" "$2/layer" "$2/system"
echo $$ >"$4/cgroup.procs"
export -f machine
exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child=KILL --propagation private \
	bash -euc 'machine "$@"' machine "$1" "$2" "$3"
