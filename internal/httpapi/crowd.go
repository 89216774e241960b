package httpapi

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// crowd bounds how many connections are open. When there are too many, the one
// that has been idle for longest makes room, or else the new one is not wanted:
// clients that do something are left alone.
type crowd struct {
	most int

	mu   sync.Mutex
	open int
	idle *list.List // of net.Conn, the longest idle first
	at   map[net.Conn]*list.Element
}

func newCrowd(most int) *crowd {
	return &crowd{most: most, idle: list.New(), at: map[net.Conn]*list.Element{}}
}

// carrier is the connection that carries another: to say goodbye by TLS would wait for
// whoever takes nothing.
func carrier(conn net.Conn) net.Conn {
	if c, ok := conn.(*tls.Conn); ok {
		return c.NetConn()
	}
	return conn
}

// track follows a connection, as http.Server.ConnState.
func (c *crowd) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, known := c.at[conn]; known {
		c.idle.Remove(e)
		delete(c.at, conn)
	}
	switch state {
	case http.StateIdle:
		c.at[conn] = c.idle.PushBack(conn)
	case http.StateClosed, http.StateHijacked:
		c.open--
	case http.StateNew:
		c.open++
		if c.open <= c.most {
			return
		}
		leaves := conn
		if first := c.idle.Front(); first != nil {
			leaves = c.idle.Remove(first).(net.Conn)
			delete(c.at, leaves)
		}
		_ = carrier(leaves).Close() // its own goroutine finds out, and says so
	}
}
