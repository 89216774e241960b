package packages

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lookAtRelease looks whether everything is there that a release is made of, and whether
// the checksums are right.
func lookAtRelease(t *testing.T, dist string) {
	archive := only(t, dist, "ferryman_*_linux_amd64.tar.gz")
	bill := only(t, dist, "ferryman_*_linux_amd64.cdx.json")
	files := []string{archive, bill, only(t, dist, "*.deb"), only(t, dist, "*.rpm")}
	for i, file := range files {
		files[i] = filepath.Base(file)
	}
	slices.Sort(files)

	sums, err := os.ReadFile(only(t, dist, "ferryman_*_SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	var summed []string
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		content, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := sha256.Sum256(content); hex.EncodeToString(got[:]) != sum {
			t.Errorf("the checksum of %s is wrong", name)
		}
		summed = append(summed, name)
	}
	slices.Sort(summed)
	if !slices.Equal(summed, files) {
		t.Errorf("there are checksums of\n%q\nwant those of\n%q", summed, files)
	}
	lookAtArchive(t, archive)
	lookAtBill(t, bill)
}

func lookAtArchive(t *testing.T, archive string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(path.Clean(h.Name), "/") // below a folder of its own
		modes[name] = h.Mode
	}
	for _, name := range []string{
		"ferryman", "LICENSE", "THIRD_PARTY_LICENSES", "README.md", "CHANGELOG.md", "docs/operations.md", "deploy/ferryman.service",
		"deploy/compose.yaml", "man/man1/ferryman.1", "man/man1/dbsync2.1", "completions/_ferryman",
	} {
		if _, ok := modes[name]; !ok {
			t.Errorf("%s is missing in the archive", name)
		}
	}
	if modes["ferryman"] != 0o755 {
		t.Errorf("the program has the mode %o", modes["ferryman"])
	}
}

// lookAtBill looks for what every binary has in it.
func lookAtBill(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Format     string `json:"bomFormat"`
		Components []struct {
			Name, Version, PURL string
			Licenses            []struct{ License struct{ ID string } }
		}
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}
	licences := map[string]string{}
	for _, c := range bill.Components {
		if c.Version == "" || !strings.HasPrefix(c.PURL, "pkg:golang/") || len(c.Licenses) == 0 {
			t.Errorf("%+v is incomplete", c)
			continue
		}
		licences[c.Name] = c.Licenses[0].License.ID
	}
	if bill.Format != "CycloneDX" || licences["std"] != "BSD-3-Clause" || licences["github.com/riverqueue/river"] != "MPL-2.0" {
		t.Errorf("%s is of %v", bill.Format, licences)
	}
}
