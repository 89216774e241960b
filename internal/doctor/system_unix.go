//go:build unix

package doctor

import (
	"errors"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownerOf is the user that something belongs to.
func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(s.Uid), true
}

// writable tells whether this process may write a file, or make files in a folder.
func writable(path string) bool { return unix.Access(path, unix.W_OK) == nil }

// freeBytes is what this user may still write on the disk of a path.
func freeBytes(path string) (n uint64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, false
	}
	return uint64(s.Bavail) * uint64(s.Bsize), true //nolint:gosec,unconvert // their types differ by system
}

// mostFiles is how many files this process may open.
func mostFiles() (n uint64, ok bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // its type differs by system
}

// taken tells whether an address cannot be listened on because another does.
func taken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
