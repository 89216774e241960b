package doctor

import (
	"os"
	"path/filepath"
	"testing"
)

// space is what is to be said of the space on this machine, which may be short of it.
func space(t *testing.T, dir string) [2]string {
	t.Helper()
	found := room(dir)
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	return [2]string{string(found[0].Level), "free"}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	look := func(path string) []Finding { return Folder("x", path).Look(t.Context()) }
	free := space(t, dir)
	wants(t, look(filepath.Join(dir, "a", "b")), [2]string{"ok", "the first start makes it"}, free)
	wants(t, look(file), [2]string{"problem", "is no folder → name another"})
	for mode, want := range map[os.FileMode][2]string{
		0o700: {"ok", "mode 0700, can be written"}, 0o750: {"ok", "mode 0750, can be written"},
		0o755: {"warning", "looked into by everybody → chmod 700"}, 0o777: {"problem", "written by others, who can act as Ferryman → chmod 700"},
		0o770: {"problem", "written by others"},
	} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		wants(t, look(dir), want, free)
	}
}

// What another user has is told to root, who may write it all the same, and to everybody
// else as what it is.
func TestFolderOfAnother(t *testing.T) {
	if os.Geteuid() == 0 {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 65532, 65532); err != nil {
			t.Fatal(err)
		}
		wants(t, Folder("x", dir).Look(t.Context())[:1], [2]string{"warning", "belongs to user 65532, and this is root"})
		return
	}
	wants(t, Folder("x", "/").Look(t.Context())[:1], [2]string{"problem", "cannot be written by this user"})
	wants(t, Folder("x", "/ferryman-test").Look(t.Context()), [2]string{"problem", "may not make it in /"})
}

func TestDisk(t *testing.T) {
	dir := t.TempDir()
	wants(t, Disk("x", filepath.Join(dir, "a.db")).Look(t.Context()), [2]string{"ok", "a.db can be written"}, space(t, dir))
	wants(t, Disk("x", filepath.Join(dir, "none", "a.db")).Look(t.Context()), [2]string{"problem", "none is not there"})
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 1536: "1.5 KiB", 5 << 30: "5.0 GiB", 1 << 63: "8192.0 PiB",
	} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
