//go:build unix

package cronexec

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// awaitRoom waits until a file takes something, and tells whether it does. One
// that cannot be asked counts as if it did.
func awaitRoom(f *os.File, wait time.Duration) bool {
	asked := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLOUT}} //nolint:gosec // descriptors are small
	for {
		n, err := unix.Poll(asked, int(wait.Milliseconds()))
		if !errors.Is(err, syscall.EINTR) {
			return n > 0 || err != nil
		}
	}
}
