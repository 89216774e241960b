package program

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Postmaster is the first process of the PostgreSQL server that a superuser is
// connected to, 0 if it is on another machine.
func Postmaster(t testing.TB, db *sql.DB) (pid int) {
	t.Helper()
	var folder string
	if err := db.QueryRowContext(t.Context(), "SHOW data_directory").Scan(&folder); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if pid, err = strconv.Atoi(line); err != nil {
		t.Fatal(err)
	}
	return pid
}

// CPU is the processor time that a process has used, 0 once it has ended.
func CPU(pid int) time.Duration {
	fields := stat(pid)
	return ticks(fields, 11, 12) // utime, stime
}

// CPUOfAll is the processor time of a process, of its children, and of those of its
// children that have ended: of a whole PostgreSQL server, given its first process.
func CPUOfAll(pid int) time.Duration {
	all := ticks(stat(pid), 11, 12, 13, 14) // and of the children that it has waited for
	for _, child := range children(pid) {
		all += ticks(stat(child), 11, 12)
	}
	return all
}

// MemoryOfAll is how many bytes a process and its children have resident that are not
// pages of files or shared between them.
func MemoryOfAll(pid int) (bytes int64) {
	for _, one := range append(children(pid), pid) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", one))
		if err != nil {
			continue // it has ended
		}
		_, after, _ := strings.Cut(string(text), "RssAnon:")
		if fields := strings.Fields(after); len(fields) > 0 {
			kilobytes, _ := strconv.ParseInt(fields[0], 10, 64) // the kernel writes numbers
			bytes += kilobytes << 10
		}
	}
	return bytes
}

func children(pid int) (all []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, file := range files {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		if fields := stat(child); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			all = append(all, child)
		}
	}
	return all
}

// stat is what the kernel tells of a process, from its state on; nil once it has
// ended.
func stat(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}

func ticks(fields []string, which ...int) (all time.Duration) {
	for _, i := range which {
		if i < len(fields) {
			n, _ := strconv.ParseInt(fields[i], 10, 64)     // the kernel writes numbers
			all += time.Duration(n) * 10 * time.Millisecond // USER_HZ is 100
		}
	}
	return all
}
