package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"
)

// originalFolder is where dbsync2 keeps its state if it may; else it is .dbsync2 in
// the home folder.
const originalFolder = "/var/opt/dbsync2"

// maxOriginalState is far above what dbsync2 writes.
const maxOriginalState = 64 << 10

// ReadOriginalState gives how far dbsync2 had come with a campaign on this machine,
// for a first start where it left off; zero if it left no such file. The id is one
// that Check accepts.
func ReadOriginalState(in Input, id string) (time.Time, error) {
	folders := []string{originalFolder}
	if home := in.loader().environ["HOME"]; filepath.IsAbs(home) {
		folders = append(folders, filepath.Join(home, ".dbsync2"))
	}
	for _, folder := range folders {
		path := filepath.Join(folder, id+".json")
		content, err := readBounded(path, maxOriginalState)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var t time.Time
		if err == nil {
			t, err = originalTime(content)
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("read the state of dbsync2 in %s: %w", path, err)
		}
		return t, nil
	}
	return time.Time{}, nil
}

// originalTime reads {"timestamp": …}: a number since 1970 whose size tells its
// unit, or a time as text.
func originalTime(content []byte) (time.Time, error) {
	var state struct {
		Timestamp json.RawMessage `json:"timestamp"`
	}
	if err := json.Unmarshal(content, &state); err != nil {
		return time.Time{}, errors.New("it is no JSON object")
	}
	var text string
	if json.Unmarshal(state.Timestamp, &text) != nil {
		text = string(state.Timestamp)
	}
	t, err := sinceEpoch(text)
	if err != nil {
		if _, err = start(&t).parse(text); err != nil {
			return time.Time{}, errors.New("its timestamp is no time")
		}
	}
	return t, nil
}

// sinceEpoch takes seconds, milliseconds, microseconds or nanoseconds for what
// makes a time from 1973 to 2286.
func sinceEpoch(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	for unit := int64(1); unit <= 1e9; unit *= 1000 {
		if s := n / unit; s >= 1e8 && s < 1e10 {
			return time.Unix(s, n%unit*(1e9/unit)).UTC(), nil
		}
	}
	return time.Time{}, strconv.ErrRange
}
