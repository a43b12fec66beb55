// Package logline keeps each entry of the operator's log short and on one line: entries
// quote specs, policies and AWS's messages, which others write.
package logline

import (
	"encoding/json"
	"fmt"
	"strconv"

	"go.uber.org/zap/zapcore"

	"github.com/podidentity/podidentity-operator/internal/fault"
)

// Most is the number of bytes of a line.
const Most = 2048

// The numbers of bytes for the message, for one value, and for all values of one
// line. The time, the controller and the object's name take the rest.
const (
	maxMessage = 256
	maxValue   = 600
	maxValues  = 760
)

// Bound returns a core that writes to another one.
func Bound(core zapcore.Core) zapcore.Core { return bounded{core} }

type bounded struct{ zapcore.Core }

// With implements zapcore.Core.
func (b bounded) With(fields []zapcore.Field) zapcore.Core {
	return bounded{b.Core.With(bound(fields))}
}

// Check implements zapcore.Core.
func (b bounded) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(entry.Level) {
		return checked.AddCore(entry, b)
	}
	return checked
}

// Write implements zapcore.Core.
func (b bounded) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	entry.Message = fit(entry.Message, maxMessage)
	return b.Core.Write(entry, bound(fields))
}

// bound returns the fields within the limits.
func bound(fields []zapcore.Field) []zapcore.Field {
	left := maxValues
	out := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		out[i] = boundField(f, min(left, maxValue))
		if out[i].Type == zapcore.StringType {
			left = max(0, left-quotedSize(out[i].String))
		}
	}
	return out
}

func boundField(f zapcore.Field, most int) zapcore.Field {
	var text string
	switch f.Type {
	case zapcore.StringType:
		text = f.String
	case zapcore.ErrorType:
		text = fmt.Sprint(f.Interface)
	case zapcore.ByteStringType, zapcore.BinaryType, zapcore.ArrayMarshalerType:
		text = fmt.Sprint(f.Interface)
	case zapcore.ReflectType:
		if short(f.Interface) {
			return f
		}
		text = fmt.Sprint(f.Interface)
	default: // numbers, times, and names of objects, which Kubernetes limits
		return f
	}
	return zapcore.Field{Key: f.Key, Type: zapcore.StringType, String: fit(text, most)}
}

// short reports whether a value needs no limit, such as the name of an object.
func short(value any) bool {
	raw, err := json.Marshal(value)
	return err == nil && len(raw) <= maxValue
}

// fit bounds a text so that it fits as a JSON string.
func fit(text string, most int) string {
	text = fault.Bound(text, most)
	for quotedSize(text) > most && len(text) > len("…") {
		text = fault.Bound(text, len(text)*3/4)
	}
	return text
}

func quotedSize(text string) int { return len(strconv.Quote(text)) - len(`""`) }
