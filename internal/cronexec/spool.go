package cronexec

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// The bounds of the spool.
const (
	maxSpooled     = 1000
	maxSpooledFile = 1 << 20
	maxSpooledAge  = 30 * 24 * time.Hour
)

// report is the end of a run, as it is kept until the server takes it.
type report struct {
	URL       string    `json:"url"` // of the server that it is for
	Key       string    `json:"key"` // tells keys apart; not the key itself
	Slug      string    `json:"slug"`
	RID       string    `json:"rid"`
	Execution int64     `json:"execution,omitzero"` // 0 if the start was not answered
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at"`
	End       end       `json:"end"`
}

func (p report) valid() bool {
	return p.URL != "" && p.Slug != "" && p.RID != "" && p.Execution >= 0 && p.End.Type != "" && !p.EndedAt.IsZero()
}

// fingerprint tells keys apart without giving them away.
func fingerprint(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:6])
}

// spool is a folder of reports, a file each. Several processes may use it at once.
type spool struct{ dir string }

const (
	spoolTemp = ".new-" // begins the name of a file that is being written
	spoolLock = ".lock"
	spoolTold = ".told" // its time is that of the last line about reports that wait
)

// spoolName is what the name of a report is like: when the run ended, and its rid.
// Other files in the folder are somebody else's.
func spoolName() string { return strings.Repeat("[0-9]", 19) + "-*.json" }

var (
	errNoSpool = errors.New("there is no folder for it; set FERRYMAN_SPOOL_DIR")
	errCorrupt = errors.New("the file holds no report")
)

// add keeps a report durably. If there are too many the oldest make room; dropped
// is how many did.
func (s spool) add(p report) (dropped int, err error) {
	if s.dir == "" {
		return 0, errNoSpool
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return 0, fmt.Errorf("make the spool: %w", err)
	}
	content, err := json.Marshal(p)
	if err != nil {
		return 0, fmt.Errorf("encode the report: %w", err)
	}
	names := s.names()
	for ; len(names)-dropped >= maxSpooled; dropped++ {
		_ = os.Remove(filepath.Join(s.dir, names[dropped]))
	}
	name := fmt.Sprintf("%019d-%s.json", p.EndedAt.UnixNano(), p.RID)
	if err := s.write(name, content); err != nil {
		return dropped, fmt.Errorf("write the report: %w", err)
	}
	return dropped, nil
}

// write makes a file whole or not at all, with mode 0600.
func (s spool) write(name string, content []byte) error {
	f, err := os.CreateTemp(s.dir, spoolTemp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	folder, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// names lists the reports, the oldest first.
func (s spool) names() []string {
	entries, _ := os.ReadDir(s.dir) // without a folder there are none
	var names []string
	for _, e := range entries {
		if is, _ := filepath.Match(spoolName(), e.Name()); is {
			names = append(names, e.Name())
		}
	}
	return names
}

// read gives a report. Its error is errCorrupt if the file never will be one.
func (s spool) read(name string) (report, error) {
	path := filepath.Join(s.dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		return report{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSpooledFile {
		return report{}, errCorrupt
	}
	f, err := os.Open(path)
	if err != nil {
		return report{}, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxSpooledFile))
	if err != nil {
		return report{}, err
	}
	var p report
	if json.Unmarshal(content, &p) != nil || !p.valid() {
		return report{}, errCorrupt
	}
	if p.StartedAt.IsZero() { // an earlier version kept it
		p.StartedAt = p.EndedAt.Add(-time.Duration(p.End.DurationMS) * time.Millisecond)
	}
	return p, nil
}

// mayTell tells whether nobody was told for a day of reports that wait for another key,
// and that somebody is now: a cron mails each line.
func (s spool) mayTell(now time.Time) bool {
	path := filepath.Join(s.dir, spoolTold)
	if info, err := os.Stat(path); err == nil && now.Sub(info.ModTime()) < 24*time.Hour {
		return false
	}
	return os.WriteFile(path, nil, 0o600) == nil && os.Chtimes(path, now, now) == nil
}

// sweep deletes what writers left behind that were cut off.
func (s spool) sweep(now time.Time) {
	entries, _ := os.ReadDir(s.dir)
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), spoolTemp) })
	for _, e := range entries {
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > time.Hour {
			_ = os.Remove(filepath.Join(s.dir, e.Name()))
		}
	}
}
