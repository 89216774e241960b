package pulpo

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"ferryman/internal/fault"
	"ferryman/internal/httpclient"
	"ferryman/internal/pipeline"
)

// Read yields one batch. The API knows no changes since a point in time, so the
// cursor is not looked at and none is given.
func (s *Source) Read(ctx context.Context, _ pipeline.Cursor) iter.Seq2[pipeline.Batch, error] {
	return func(yield func(pipeline.Batch, error) bool) {
		yield(s.batch(ctx))
	}
}

func (s *Source) batch(ctx context.Context) (pipeline.Batch, error) {
	var user []any
	err := s.get(ctx, []string{"iam", "users", "me"}, func(d *jsontext.Decoder) (err error) {
		user, err = decodeUser(d, s.users)
		return err
	})
	if err != nil {
		return pipeline.Batch{}, err
	}
	id := user[0].(int64) // required of every user
	var warehouses [][]any
	path := []string{"iam", "users", strconv.FormatInt(id, 10), "warehouses"}
	err = s.get(ctx, path, func(d *jsontext.Decoder) (err error) {
		warehouses, err = decodeWarehouses(d, id, s.warehouses)
		return err
	})
	if err != nil {
		return pipeline.Batch{}, err
	}
	links := make([][]any, len(warehouses))
	for i, w := range warehouses {
		links[i] = []any{id, w[0]}
	}
	return pipeline.Batch{
		Whole: true,
		Changes: []pipeline.Change{
			{Table: s.users, Rows: [][]any{user}},
			{Table: s.warehouses, Rows: warehouses},
			{Table: s.links, Rows: links, Scope: &pipeline.Scope{Columns: []string{"user_id"}, Parents: [][]any{{id}}}},
		},
	}, nil
}

// get makes one call. After a refused token that can be replaced it makes the
// call once more.
func (s *Source) get(ctx context.Context, path []string, decode func(*jsontext.Decoder) error) error {
	token, err := s.auth.token(ctx)
	if err != nil {
		return err
	}
	err = s.call(ctx, path, token, "", decode)
	if fault.KindOf(err) != fault.Unauthorized {
		return err
	}
	fresh, failed := s.auth.replace(ctx, token)
	switch {
	case failed != nil:
		return failed
	case fresh == "":
		return advise(err, "", "API_TOKEN is no longer valid: replace it")
	}
	err = s.call(ctx, path, fresh, token, decode)
	if fault.KindOf(err) == fault.Unauthorized {
		return advise(err, "a fresh token was refused", "ask the operator of the warehouse API why it refuses the tokens that it issues")
	}
	return err
}

func (s *Source) call(ctx context.Context, path []string, token, former string, decode func(*jsontext.Decoder) error) error {
	err := s.request(ctx, httpclient.Request{
		Method:  http.MethodGet,
		URL:     s.base.JoinPath(path...),
		Bearer:  token,
		Secrets: append(slices.Clone(s.secrets), former),
	}, decode)
	if fault.KindOf(err) == fault.Forbidden {
		return advise(err, "", "the rights of this API user do not suffice: let it read its own user and warehouses")
	}
	return err
}

// request sends r. Trouble that may be over by the next sync says so if there is
// nothing better to advise.
func (s *Source) request(ctx context.Context, r httpclient.Request, decode func(*jsontext.Decoder) error) error {
	err := s.client.JSON(ctx, r, decode)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Hint != "" || f.Kind == fault.Canceled {
		return err
	}
	if f.Temporary() || f.Code == "upstream_error" || f.Code == "invalid_json" {
		return advise(err, "", "nothing is lost; the next sync tries again")
	}
	return err
}

// advise gives a classified error another hint, and a prefix to its detail.
func advise(err error, prefix, hint string) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	advised := *f
	advised.Hint = hint
	if prefix != "" {
		advised.Detail = prefix + ": " + f.Detail
	}
	return &advised
}
