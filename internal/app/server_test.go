package app

import (
	"net"
	"testing"
)

func TestURLCanBeCalled(t *testing.T) {
	for listened, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "[::1]:8080": "http://[::1]:8080", "192.0.2.7:80": "http://192.0.2.7:80",
		"0.0.0.0:8080": "http://localhost:8080", "[::]:8080": "http://localhost:8080",
	} {
		a, err := net.ResolveTCPAddr("tcp", listened)
		if err != nil {
			t.Fatal(err)
		}
		if got := localURL("http", a); got != want {
			t.Errorf("%s: %s, want %s", listened, got, want)
		}
	}
}
