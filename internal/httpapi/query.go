package httpapi

import "ferryman/internal/params"

// limitOf is how many rows a page shall have.
func limitOf(q params.Query) (int, error) { return q.Number("limit", defaultLimit, maxLimit) }
