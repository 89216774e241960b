package apikey_test

import (
	"context"
	"errors"
	"testing"

	"ferryman/internal/apikey"
	"ferryman/internal/db"
	"ferryman/internal/db/dbtest"
)

func BenchmarkAuthenticate(b *testing.B) {
	d := dbtest.Open(b, "sqlite://"+b.TempDir()+"/ferryman.db", db.Options{})
	k := open(b, d, secret)
	var keys []string
	for range 100 {
		_, key := create(b, k, apikey.BuiltIn, apikey.Ping)
		keys = append(keys, key)
	}
	wrong := keys[0][:11] + keys[1][11:]
	for _, bench := range []struct {
		name string
		key  func(i int) string
		want error
	}{
		{"right", func(i int) string { return keys[i%len(keys)] }, nil},
		{"right, one key", func(int) string { return keys[0] }, nil},
		{"wrong", func(int) string { return wrong }, apikey.ErrUnauthorized},
		{"malformed", func(int) string { return "nonsense" }, apikey.ErrUnauthorized},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := k.Authenticate(context.Background(), bench.key(i)); !errors.Is(err, bench.want) {
						b.Error(err)
						return
					}
				}
			})
		})
	}
	b.Run("right in a flood of unknown", func(b *testing.B) {
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for ctx.Err() == nil {
				_, _ = k.Authenticate(ctx, apikey.Generate())
			}
		}()
		for i := 0; b.Loop(); i++ {
			if _, err := k.Authenticate(ctx, keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
		stop()
		<-ended
	})
}
