package cronexec

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// However output is cut into pieces, the tail is the end of it.
func TestTailProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []byte
		var kept tail
		for range rapid.IntRange(1, 6).Draw(t, "pieces") {
			size := rapid.SampledFrom([]int{0, 1, 7, 1000, tailBytes - 1, tailBytes, tailBytes + 1, 3*tailBytes + 5}).Draw(t, "size")
			unit := rapid.SampledFrom([]string{"a\n", "äöü", "日本", "🙂x", "\xff", "\x00", "\xe6\x97"}).Draw(t, "unit")
			piece := bytes.Repeat([]byte(unit), size/len(unit)+1)[:size]
			all = append(all, piece...)
			if n, err := kept.Write(piece); n != size || err != nil {
				t.Fatal(n, err)
			}
		}
		got := kept.text()
		last := all[max(0, len(all)-tailBytes):]
		if len(got) > tailBytes || !utf8.ValidString(got) {
			t.Fatalf("%d bytes, valid %t", len(got), utf8.ValidString(got))
		}
		if whole := strings.ToValidUTF8(string(last), "\uFFFD"); strings.TrimSpace(whole) != "" && !strings.HasSuffix(whole, got) {
			t.Fatalf("not the end of the output: …%.40q", got[max(0, len(got)-40):])
		}
		if valid := utf8.Valid(all); valid && len(last) == tailBytes && len(got) < tailBytes-utf8.UTFMax {
			t.Fatalf("only %d bytes", len(got))
		}
	})
}

func TestTailStartsWithARune(t *testing.T) {
	t.Parallel()
	var kept tail
	text := "ä" + strings.Repeat("x", tailBytes-1)
	if _, err := kept.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if got := kept.text(); got != text[2:] {
		t.Errorf("starts with %q, has %d bytes", got[:4], len(got))
	}
}

func BenchmarkTail(b *testing.B) {
	var kept tail
	chunk := bytes.Repeat([]byte("0123456789abcde\n"), 4096)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		_, _ = kept.Write(chunk)
	}
}
