package doctor

import (
	"context"
	"strings"
	"time"

	"ferryman/internal/certificate"
)

// Certificate looks at the certificate that a server shows, and whether it is for the
// names by which people reach it.
func Certificate(files certificate.Files, names []string) Check {
	return Check{"certificate", func(context.Context) []Finding {
		p, err := certificate.Read(files)
		if err != nil {
			return []Finding{failed(err)}
		}
		const renew = "renew it: a running server takes the new files by itself"
		var found []Finding
		switch what, bad := p.Trouble(time.Now()); {
		case bad:
			found = append(found, problem(renew, "%s: %s, and clients refuse it", files.Cert, what))
		case what != "":
			found = append(found, Doubtful(renew, "%s: %s", files.Cert, what))
		default:
			found = append(found, Well("%s, for %s, is valid until %s", files.Cert, strings.Join(p.Names(), ", "), p.Leaf.NotAfter.UTC().Format(time.RFC3339)))
		}
		for _, name := range names {
			if err := p.Leaf.VerifyHostname(name); err != nil {
				found = append(found, Doubtful("have it issued for that name, too, or call the server by one of its own", "%s is not for %s: clients that know the server by that name refuse it", files.Cert, name))
			}
		}
		if p.KeyOpen {
			found = append(found, Doubtful("chmod 640 "+files.Key, "%s can be read by everybody on this machine", files.Key))
		}
		return found
	}}
}
