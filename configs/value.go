package configs

import (
	"fmt"
	"strings"
	"time"
)

// short shows a duration without the zero parts that time.Duration adds: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// array returns the elements of an array, which the decoder gives in one of two types.
func array(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []map[string]any:
		elements := make([]any, len(v))
		for i := range v {
			elements[i] = v[i]
		}
		return elements, true
	default:
		return nil, false
	}
}

// kind names a value that is of a wrong type.
func kind(v any) string {
	switch v := v.(type) {
	case string:
		return "the string " + quote(v)
	case int64:
		return fmt.Sprintf("the integer %d", v)
	case float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return fmt.Sprintf("the boolean %t", v)
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "an array"
	default:
		return fmt.Sprintf("a value of type %T", v)
	}
}
