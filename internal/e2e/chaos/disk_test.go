//go:build linux

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

const (
	diskSize = 96 << 20 // bytes
	// badFor is how long the disk stays as it should not be.
	badFor = 4 * time.Second
)

// disk is one of a node's own, in a file, mounted as its state folder.
type disk struct {
	c     *cluster
	image string
	node  *node
}

// newDisk makes one, and a node on it that keeps its store and its target there.
func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a disk")
	}
	c := newWitnesses(t, chanceOf(t))
	d := &disk{c: c, image: filepath.Join(t.TempDir(), "disk"), node: &node{name: "node-a", state: t.TempDir(), env: c.env("node-a")}}
	c.nodes = []*node{d.node}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, diskSize); err != nil {
		t.Fatal(err)
	}
	if out, err := d.system("mkfs.ext4", "-q", "-F", "-m", "0", d.image); err != nil {
		t.Skipf("no disk can be made: %v: %s", err, out)
	}
	d.start()
	c.register(d.node)
	return d
}

func (d *disk) system(name string, args ...string) ([]byte, error) {
	// It is also needed when the test has ended.
	return exec.CommandContext(context.WithoutCancel(d.c.t.Context()), name, args...).CombinedOutput()
}

// start mounts the disk, begins the server and looks at its databases.
func (d *disk) start() {
	d.c.t.Helper()
	_, _ = d.system("e2fsck", "-p", d.image) // what it mends it tells by its exit code
	if out, err := d.system("mount", "-o", "loop", d.image, d.node.state); err != nil {
		d.c.t.Skipf("no disk can be mounted: %v: %s", err, out)
	}
	d.c.t.Cleanup(func() { _, _ = d.system("umount", d.node.state) }) // it may not be mounted any more
	d.c.start(d.node)
	d.c.store, d.c.target = d.look("ferryman.db"), d.look("warehouse.db")
}

func (d *disk) look(file string) *sql.DB {
	d.c.t.Helper()
	db, err := sql.Open("sqlite", "file:"+d.path(file)+"?_pragma=busy_timeout(10000)&mode=rw")
	if err != nil {
		d.c.t.Fatal(err)
	}
	d.c.t.Cleanup(func() { db.Close() })
	return db
}

func (d *disk) path(file string) string { return filepath.Join(d.node.state, file) }

// eject ends the server and unmounts the disk.
func (d *disk) eject() {
	d.c.t.Helper()
	d.c.store.Close()
	d.c.target.Close()
	d.node.Kill()
	if out, err := d.system("umount", d.node.state); err != nil {
		d.c.t.Fatalf("%v: %s", err, out)
	}
}

// fill takes all the space there is.
func (d *disk) fill() {
	d.c.t.Helper()
	f, err := os.Create(d.path("filler"))
	if err != nil {
		d.c.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 { // to the last byte
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			d.c.t.Fatal(err)
		}
	}
}

// spoil makes the disk read-only, as the system does after an error of the device.
func (d *disk) spoil() {
	d.c.t.Helper()
	if out, err := d.system("mount", "-o", "remount,abort", d.node.state); err != nil {
		d.c.t.Fatalf("%v: %s", err, out)
	}
}

// A node whose disk is full or read-only acknowledges nothing that it cannot keep, and
// goes on when the disk is well again.
func TestDisk(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	d.c.run(t, []fault{
		{
			name: "disk full (SQLite)", short: true, lasts: badFor,
			commit: func(*cluster, *node) { d.fill() },
			heal: func(*cluster, *node) {
				if err := os.Remove(d.path("filler")); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "disk read-only (SQLite)", lasts: badFor,
			commit: func(*cluster, *node) { d.spoil() },
			heal:   func(*cluster, *node) { d.eject(); d.start() },
		},
	})
}
