package cronexec

import (
	"os"
	"time"
)

// awaitRoom has nothing to wait for: files block here.
func awaitRoom(*os.File, time.Duration) bool { return true }
