package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ferryman/internal/config/dotenv"
)

// envFileName is the setting that names the .env file, and so the one that
// cannot stand in it.
const envFileName = "FERRYMAN_ENV_FILE"

// findEnvFile gives .env if the working directory has such a file. A folder of
// that name is somebody else's.
func (l *loader) findEnvFile() (string, error) {
	info, err := os.Stat(filepath.Join(l.Dir, ".env"))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.Mode().IsRegular():
		return "", nil
	case err != nil:
		return "", fmt.Errorf("the file .env %w", unreadable(err))
	default:
		return ".env", nil
	}
}

// readEnvFile is the parser of the setting that names the file: reading it is
// what the setting is for. Bad lines are problems of their own.
func (l *loader) readEnvFile(name string) (string, error) {
	if !oneLine(name) {
		return "", errControl
	}
	path, err := l.resolve(name)
	if err != nil {
		return "", err
	}
	content, err := readBounded(path, dotenv.MaxBytes)
	if err != nil {
		return "", fmt.Errorf("the file %w", err)
	}
	assignments, bad := dotenv.Parse(content)
	l.envFile = name
	for _, e := range bad {
		l.problem("%s: %s; expected NAME=value", l.line(e.Line), e.Reason)
	}
	l.dotenv = make(map[string]dotenv.Assignment, len(assignments))
	for _, a := range assignments {
		if first, again := l.dotenv[a.Name]; again && l.known[a.Name] {
			l.warn(a.Name, "set twice in %s, on lines %d and %d; the last one counts", name, first.Line, a.Line)
		}
		if l.known[a.Name] && !a.Quoted && strings.Contains(a.Value, "${") {
			l.warn(a.Name, "its ${ is taken as it stands (%s), for nothing is expanded; put the value in single quotes if that is meant", l.line(a.Line))
		}
		l.dotenv[a.Name] = a
	}
	if a, ok := l.dotenv[envFileName]; ok {
		l.warn(envFileName, "has no effect in the file itself (%s); export it or use --env-file", l.line(a.Line))
	}
	return path, nil
}

// warnOpenEnvFile warns of secrets that everybody on the machine may read.
func (l *loader) warnOpenEnvFile() {
	if !l.secretInEnvFile {
		return
	}
	path, err := l.resolve(l.envFile)
	if err != nil {
		return // it was read: the path is good
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		l.warn(envFileName, "%s holds secrets, and everybody on this machine may read it; chmod 600 it, or name files with %s", l.envFile, fileSuffix)
	}
}

// holdsPassword tells whether a text is a URL with a password.
func holdsPassword(text string) bool {
	u, err := url.Parse(text)
	if err != nil {
		return false
	}
	_, is := u.User.Password()
	return is
}

// line names a place in the .env file.
func (l *loader) line(n int) string {
	return l.envFile + " line " + strconv.Itoa(n)
}
