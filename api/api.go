// Package api is Ferryman's HTTP contract: the description in openapi.yaml, as it
// is written and as JSON.
package api

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var files embed.FS

// YAML is the description as it is written. The caller owns the slice.
func YAML() []byte {
	text, err := files.ReadFile("openapi.yaml")
	if err != nil {
		panic(err) // a file that is compiled in
	}
	return text
}

// JSON is the same description as JSON, its members in the order of the YAML.
// Each call converts it anew.
func JSON() ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(YAML(), &root); err != nil {
		return nil, fmt.Errorf("read openapi.yaml: %w", err)
	}
	var buf bytes.Buffer
	if err := writeNode(&buf, &root); err != nil {
		return nil, fmt.Errorf("convert openapi.yaml: %w", err)
	}
	return buf.Bytes(), nil
}

func writeNode(buf *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeNode(buf, n.Content[0])
	case yaml.AliasNode:
		return errors.New("an alias, where $ref is meant")
	case yaml.SequenceNode:
		buf.WriteByte('[')
		for i, item := range n.Content {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := writeNode(buf, item); err != nil {
				return err
			}
		}
		buf.WriteByte(']')
		return nil
	case yaml.MappingNode:
		buf.WriteByte('{')
		for i := 0; i < len(n.Content); i += 2 {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := writeValue(buf, n.Content[i].Value); err != nil { // a key such as 200 is a string in JSON
				return err
			}
			buf.WriteByte(':')
			if err := writeNode(buf, n.Content[i+1]); err != nil {
				return err
			}
		}
		buf.WriteByte('}')
		return nil
	default:
		var v any
		if err := n.Decode(&v); err != nil {
			return err
		}
		return writeValue(buf, v)
	}
}

func writeValue(buf *bytes.Buffer, v any) error {
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1) // the line break
	return nil
}
