package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// items gives the campaigns of the file as they stand there.
func (f *campaignsFile) items(content []byte) ([]*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(content))
	var document, second yaml.Node
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, malformed(err)
	}
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, malformed(err)
		}
		return nil, errors.New("it holds more than one document")
	}
	root := onlyChild(&document)
	if root == nil || root.ShortTag() == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("it is no mapping; the file begins with the key campaigns")
	}
	var items []*yaml.Node
	f.eachKey(root, func(key string, line int, value *yaml.Node) {
		switch {
		case key != "campaigns":
			f.wrong(line, "unknown key; the file has one, campaigns, which is a list")
		case value.ShortTag() == "!!null":
		case value.Kind != yaml.SequenceNode:
			f.wrong(line, "campaigns: it is no list; each campaign begins with a dash")
		case len(value.Content) > maxCampaigns:
			f.wrong(line, "campaigns: it has more than %d", maxCampaigns)
		default:
			items = value.Content
		}
	})
	return items, nil
}

// malformed is an error of the YAML reader without what it quotes of the file.
func malformed(err error) error {
	text := err.Error()
	where := ""
	if m := regexp.MustCompile(`line ([0-9]+)`).FindStringSubmatch(text); m != nil {
		where = " near line " + m[1]
	}
	why := ""
	if strings.Contains(text, "anchor") {
		why = "; a value that begins with * or & stands in quotes"
	}
	if strings.Contains(text, "cannot start any token") {
		why = "; lines are indented with blanks, not tabs, and a value that begins with @ or ` stands in quotes"
	}
	return fmt.Errorf("it is no well-formed YAML%s%s", where, why)
}

// onlyChild is the only child of a document.
func onlyChild(document *yaml.Node) *yaml.Node {
	if len(document.Content) != 1 {
		return nil
	}
	return resolved(document.Content[0])
}

// resolved follows an alias to what it stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// eachKey calls fn for each key of a mapping, once.
func (f *campaignsFile) eachKey(n *yaml.Node, fn func(key string, line int, value *yaml.Node)) {
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		if key.Kind != yaml.ScalarNode {
			f.wrong(key.Line, "a key is no text")
			continue
		}
		if first, again := lines[key.Value]; again {
			f.wrong(key.Line, "a key that stands on line %d already", first)
			continue
		}
		lines[key.Value] = key.Line
		fn(key.Value, key.Line, value)
	}
}

// scalar gives the text of a value as it stands in the file, "" for none. A list is
// its elements with commas between, where the field takes several.
func scalar(f field, n *yaml.Node) (string, error) {
	tag := n.ShortTag()
	switch {
	case tag == "!!null" || n.Kind == yaml.ScalarNode && n.Value == "":
		return "", nil
	case n.Kind == yaml.SequenceNode && f.several:
		texts := make([]string, len(n.Content))
		for i, one := range n.Content {
			if one = resolved(one); one.Kind != yaml.ScalarNode || !isText(one.ShortTag()) {
				return "", errors.New("one of the list is no text")
			}
			texts[i] = one.Value
		}
		return strings.Join(texts, ","), nil
	case n.Kind != yaml.ScalarNode:
		return "", errors.New("it is no single value")
	case f.metavar == "bool" && tag != "!!bool":
		return "", errors.New("it is neither, or in quotes")
	case f.number && tag != "!!int":
		return "", errors.New("it is no whole number, or in quotes")
	case f.metavar != "bool" && !isText(tag):
		return "", errors.New("it is no text; put it in quotes if it is meant")
	}
	return n.Value, nil
}

// isText tells the tags of values that count as they are written: an id of digits is
// no number, and a date is what it looks like.
func isText(tag string) bool {
	return slices.Contains([]string{"!!str", "!!int", "!!float", "!!timestamp"}, tag)
}
