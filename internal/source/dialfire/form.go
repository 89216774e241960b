package dialfire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// formOf tells apart configurations that make other rows of the same contact. The MD5
// of a contact does not tell of them.
func formOf(c *Config) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %t %t %d", c.Filter.Kind, c.Filter.Prefixes, c.EmptyAsNull, c.LegacyValues, c.MaxFields))
	return hex.EncodeToString(sum[:8])
}

// reform brings all contacts again, the same by their MD5 or not, where rows were made
// of them in another form.
func (r *run) reform(ctx context.Context) {
	p, form := &r.place, formOf(r.config)
	if p.Form != "" && p.Form != form {
		r.log.InfoContext(ctx, "the filter, or how values are written, has changed: all contacts are brought again")
		p.beginJob(p.reach(), r.source.now())
		p.Job.All = true
	}
	p.Form = form
}
