package ledgerjson

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Columns are the names of a row's members, those of an object in it with its name
// and _ before them.
func Columns[T any]() []string { return columns(nil, "", reflect.TypeFor[T]()) }

func columns(all []string, prefix string, t reflect.Type) []string {
	for field := range t.Fields() {
		name := prefix + field.Tag.Get("json")
		if nested, ok := object(field.Type); ok {
			all = columns(all, name+"_", nested)
		} else {
			all = append(all, name)
		}
	}
	return all
}

// object tells whether a member is an object, and of what type.
func object(t reflect.Type) (reflect.Type, bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct && !t.ConvertibleTo(reflect.TypeFor[time.Time]())
}

// Cells are the values of Columns, "" for null. A text that a spreadsheet would
// take for a formula begins with an apostrophe.
func Cells[T any](row T) []string { return cells(nil, reflect.ValueOf(row)) }

func cells(all []string, v reflect.Value) []string {
	for _, field := range v.Fields() {
		nested, isObject := object(field.Type())
		switch {
		case isObject && field.Kind() == reflect.Pointer && field.IsNil():
			all = append(all, make([]string, len(columns(nil, "", nested)))...)
		case isObject:
			all = cells(all, reflect.Indirect(field))
		default:
			all = append(all, cell(field))
		}
	}
	return all
}

func cell(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if raw, ok := reflect.TypeAssert[json.RawMessage](v); ok {
		return guarded(string(raw))
	}
	switch v.Kind() {
	case reflect.String:
		return guarded(v.String())
	case reflect.Int, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Struct:
		return Time(v.Convert(reflect.TypeFor[time.Time]()).Interface().(time.Time)).String()
	default:
		return fmt.Sprint(v.Interface())
	}
}

// formula is what a formula begins with, also where keyboards are wide, and what
// a spreadsheet passes over to get there.
const formula = "=+-@＝＋－＠\t\r\n"

func guarded(s string) string {
	if strings.IndexAny(s, formula) == 0 {
		return "'" + s
	}
	return s
}
