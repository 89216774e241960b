package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	scarce = 1 << 30   // bytes free that are a warning
	least  = 100 << 20 // and a problem
)

// Folder looks at a folder that a server writes to and that is nobody else's.
func Folder(name, path string) Check {
	return Check{name, func(context.Context) []Finding {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return missingFolder(path)
		case err != nil:
			return []Finding{problem("see to it that this user may enter the folders above", "%v", err)}
		case !info.IsDir():
			return []Finding{problem("name another one with FERRYMAN_STATE_DIR", "%s is no folder", path)}
		}
		found := rights(path, info)
		if len(found) == 0 {
			found = append(found, Well("%s, mode %04o, can be written by this user", path, info.Mode().Perm()))
		}
		return append(found, room(path)...)
	}}
}

// missingFolder tells whether a folder can be made that is not there.
func missingFolder(path string) []Finding {
	above := filepath.Dir(path)
	for !there(above) && above != filepath.Dir(above) {
		above = filepath.Dir(above)
	}
	if !writable(above) {
		return []Finding{problem(fmt.Sprintf("make it for the user that the server runs as: install -d -m 700 -o ferryman %s", path),
			"%s is not there, and this user may not make it in %s", path, above)}
	}
	return append([]Finding{Well("%s is not there yet: the first start makes it", path)}, room(above)...)
}

// rights tells who may do what with a folder.
func rights(path string, info fs.FileInfo) (found []Finding) {
	owner, known := ownerOf(info)
	me := os.Geteuid()
	mode := info.Mode().Perm()
	switch {
	case known && owner != me && me == 0:
		found = append(found, Doubtful("run commands as the user of the server: sudo -u ferryman ferryman doctor",
			"%s belongs to user %d, and this is root: what root makes there the server may not be able to write", path, owner))
	case !writable(path):
		found = append(found, problem("run it as the user of the server, or give the folder to that: chown ferryman "+path,
			"%s, mode %04o, cannot be written by this user", path, mode))
	}
	switch {
	case !known: // what the mode says holds for nobody here
	case mode&0o022 != 0:
		found = append(found, problem("chmod 700 "+path, "%s, mode %04o, can be written by others, who can act as Ferryman", path, mode))
	case mode&0o005 != 0:
		found = append(found, Doubtful("chmod 700 "+path, "%s, mode %04o, can be looked into by everybody", path, mode))
	}
	return found
}

// room tells of the space on the disk of a folder, if it can be asked.
func room(path string) []Finding {
	free, ok := freeBytes(path)
	switch {
	case !ok:
		return nil
	case free < least:
		return []Finding{problem("free some space, or move the folder", "%s has %s free", path, size(free))}
	case free < scarce:
		return []Finding{Doubtful("free some space, or move the folder", "%s has %s free", path, size(free))}
	}
	return []Finding{Well("%s has %s free", path, size(free))}
}

// Disk looks at the space on the disk of a file, which need not be there.
func Disk(name, file string) Check {
	return Check{name, func(context.Context) []Finding {
		folder := filepath.Dir(file)
		switch {
		case !there(folder):
			return []Finding{problem("make it: Ferryman makes no folder but its own", "%s is not there, in which the file of a target is to be", folder)}
		case !writable(folder), there(file) && !writable(file):
			return []Finding{problem("give the file and its folder to the user that the server runs as", "%s cannot be written by this user", file)}
		}
		return append([]Finding{Well("%s can be written", file)}, room(folder)...)
	}}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// size is a number of bytes for people.
func size(n uint64) string {
	const unit = 1 << 10
	amount, units := float64(n), []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for amount >= unit && i < len(units)-1 {
		amount /= unit
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d %s", n, units[0])
	}
	return fmt.Sprintf("%.1f %s", amount, units[i])
}
