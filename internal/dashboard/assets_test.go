package dashboard

import (
	"strings"
	"testing"
)

// What a page loads stays small: style and script together under 60 kB on the wire.
func TestAssetsAreSmall(t *testing.T) {
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	total, kinds := 0, ""
	for name, f := range a.byName {
		if strings.HasSuffix(name, ".css") || strings.HasSuffix(name, ".js") {
			total += len(f.zipped)
			kinds += name[strings.LastIndexByte(name, '.'):]
		}
	}
	if total > 60_000 || !strings.Contains(kinds, ".css") || !strings.Contains(kinds, ".js") {
		t.Errorf("style and script have %d bytes (%s)", total, kinds)
	}
}
