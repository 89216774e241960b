package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// maxSecretFile is far above any key or URL.
const maxSecretFile = 64 << 10

// fromFile reads the value of s from the file that v names. Its errors leave the
// path out: somebody may have put the secret itself there.
func (l *loader) fromFile(s setting, v value) (value, error) {
	name := s.name + fileSuffix
	if v.detail == "" {
		v.detail = name
	} else {
		v.detail = name + ", " + v.detail
	}
	path, err := l.resolve(v.text)
	v.text = ""
	if err != nil {
		return v, err
	}
	content, err := readBounded(path, maxSecretFile)
	if err != nil {
		return v, fmt.Errorf("the file %w", err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if v.text = s.trim(line); v.text == "" {
		return v, errors.New("the file is empty")
	}
	if (s.secret || holdsPassword(v.text)) && openToAll(path) {
		l.warn(s.name+fileSuffix, "everybody on this machine may read the file; chmod 600 it, or 640")
	}
	return v, nil
}

// openToAll tells whether everybody on the machine may read a file. Those that a container's
// engine puts into /run/secrets are so, and nobody else is on that machine.
func openToAll(path string) bool {
	if runtime.GOOS == "windows" || strings.HasPrefix(path, "/run/secrets/") || strings.HasPrefix(path, "/var/run/secrets/") {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}

// readBounded reads a file whole. Its errors complete "the file …" and name no path.
func readBounded(path string, most int64) ([]byte, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("is larger than %d bytes", most)
	}
	return content, nil
}

// openFile opens a file, or a device such as /dev/null. A pipe that is found in a
// folder is refused, since nobody may ever write to it; one that was handed over
// is what a shell makes of <(command).
func openFile(path string) (*os.File, error) {
	// Without O_NONBLOCK to open a pipe would wait for its writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, unreadable(err)
	}
	handedOver := path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/")
	switch mode := info.Mode(); {
	case mode.IsRegular(), mode&fs.ModeCharDevice != 0, mode&fs.ModeNamedPipe != 0 && handedOver:
		return f, nil
	case mode.IsDir():
		err = errors.New("is a directory")
	default:
		err = errors.New("is neither a regular file nor a character device")
	}
	_ = f.Close()
	return nil, err
}

func unreadable(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err // without the path
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// resolve makes a path absolute. A ~ is the home folder, since neither .env nor
// a container expands it.
func (l *loader) resolve(path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		home := l.environ["HOME"]
		if !filepath.IsAbs(home) {
			return "", errors.New("it starts with ~, and HOME names no folder")
		}
		return filepath.Join(home, path[1:]), nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.Dir, path)
	}
	return filepath.Clean(path), nil
}
