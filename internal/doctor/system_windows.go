package doctor

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// ownerOf knows of none: here rights are lists, not modes.
func ownerOf(fs.FileInfo) (uid int, ok bool) { return 0, false }

// writable tells what the mode says of a path; a list of rights may say no all the same.
func writable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o200 != 0
}

// freeBytes is what this user may still write on the disk of a path.
func freeBytes(path string) (n uint64, ok bool) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, false
	}
	err = windows.GetDiskFreeSpaceEx(name, &n, nil, nil)
	return n, err == nil
}

// mostFiles knows of no limit.
func mostFiles() (n uint64, ok bool) { return 0, false }

// taken tells whether an address cannot be listened on because another does.
func taken(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }
