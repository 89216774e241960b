package campaign

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkRender is a contact made up and written, on one core.
func BenchmarkRender(b *testing.B) {
	c := benchCampaign(b, 10_000)
	var text []byte
	bytes := 0
	n := uint32(0)
	for b.Loop() {
		s := c.shapeAt(n%10_000, 0)
		text = c.render(text[:0], s, nil, true)
		c.pool.Put(s)
		bytes += len(text)
		n++
	}
	b.SetBytes(int64(bytes) / int64(n))
	b.ReportAllocs()
}

// BenchmarkContacts is calls for 20 contacts over loopback.
func BenchmarkContacts(b *testing.B) {
	s, err := New(Options{Contacts: 10_000, Plain: true})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	c := s.all()[0]
	var ids []string
	for contact := range uint32(20) {
		ids = append(ids, `"`+string(appendContactID(nil, c.Seed, contact))+`"`)
	}
	body := "[" + strings.Join(ids, ",") + "]"
	bytes := int64(0)
	for b.Loop() {
		r, err := http.NewRequest("POST", srv.URL+"/api/campaigns/"+DefaultCampaign+"/contacts/?include_md5=true", strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+DefaultToken)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		n, err := io.Copy(io.Discard, resp.Body)
		if err != nil || resp.StatusCode != 200 {
			b.Fatal(resp.Status, err)
		}
		resp.Body.Close()
		bytes += n
	}
	b.SetBytes(bytes / int64(b.N))
}

// BenchmarkLists is the first page of each list of a large campaign, made anew.
func BenchmarkLists(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				c := benchCampaign(b, n)
				c.listContacts(0)
				c.listTransactions(0)
			}
			b.ReportAllocs()
		})
	}
}

// BenchmarkExpected is what comparing costs.
func BenchmarkExpected(b *testing.B) {
	c := benchCampaign(b, 2_000)
	for _, table := range []string{contactsTable, transactionsTable} {
		b.Run(table, func(b *testing.B) {
			for b.Loop() {
				if err := c.writeExpected(io.Discard, expectation{table: table}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*2_000/b.Elapsed().Seconds(), "contacts/s")
		})
	}
}

func benchCampaign(b *testing.B, contacts int) *campaign {
	b.Helper()
	s, err := New(Options{Contacts: contacts, Plain: true})
	if err != nil {
		b.Fatal(err)
	}
	return s.all()[0]
}
