package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// campaignsFileName is the setting that names the campaigns file.
const campaignsFileName = "FERRYMAN_CAMPAIGNS_FILE"

const (
	maxCampaignsFile = 1 << 20 // bytes
	maxCampaigns     = 1000
)

// findCampaigns gives campaigns.yaml if the working directory has such a file, and
// none where real campaigns are to be left alone.
func (l *loader) findCampaigns() (string, error) {
	const name = "campaigns.yaml"
	if slices.Contains(l.Ignore, campaignsFileName) {
		return "", nil
	}
	info, err := os.Stat(filepath.Join(l.Dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.Mode().IsRegular():
		return "", nil
	case err != nil:
		return "", fmt.Errorf("the file %s %w", name, unreadable(err))
	default:
		return name, nil
	}
}

// readCampaigns is the parser of the setting that names the file, as readEnvFile is
// of its own. What is wrong in the file are problems of their own, with lines.
func (l *loader) readCampaigns(name string) (string, error) {
	if !oneLine(name) {
		return "", errControl
	}
	path, err := l.resolve(name)
	if err != nil {
		return "", err
	}
	content, err := readBounded(path, maxCampaignsFile)
	if err != nil {
		return "", fmt.Errorf("the file %w", err)
	}
	f := &campaignsFile{loader: l, name: name, folder: filepath.Dir(path), taken: make(map[string]int)}
	items, err := f.items(content)
	if err != nil {
		return "", err
	}
	for _, item := range items {
		before := len(l.problems)
		c, ok := f.campaign(item)
		switch {
		case ok:
			l.config.Campaigns = append(l.config.Campaigns, c)
		case l.OneCampaign:
			wrong := loader{problems: slices.Clone(l.problems[before:])}
			l.problems = l.problems[:before]
			l.config.Refused = append(l.config.Refused, RefusedCampaign{Name: c.Name, ID: c.ID, Err: wrong.err()})
		}
	}
	if info, err := os.Stat(path); err == nil && f.holdsSecrets && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
		l.warn(campaignsFileName, "%s holds secrets, and everybody on this machine may read it; chmod 600 it, or name files or variables "+
			"with token_file, target_file, secret_file, or the same with _env", name)
	}
	return path, nil
}

// campaignsFile reads one file.
type campaignsFile struct {
	*loader

	name   string         // as it was given
	folder string         // relative paths start here, so that the file means the same from everywhere
	taken  map[string]int // names and the lines of their campaigns

	holdsSecrets bool
}

// wrong notes a problem at a line.
func (f *campaignsFile) wrong(line int, format string, args ...any) {
	f.problem("%s line %d: %s", f.name, line, fmt.Sprintf(format, args...))
}

// resolve makes a path absolute.
func (f *campaignsFile) resolve(path string) (string, error) {
	in := loader{Input: Input{Dir: f.folder}, environ: f.environ}
	return in.resolve(path)
}

// variable gives what .env or the environment sets; "" is unset.
func (f *campaignsFile) variable(name string) string {
	if a, ok := f.dotenv[name]; ok && a.Value != "" {
		return a.Value
	}
	return f.environ[name]
}
