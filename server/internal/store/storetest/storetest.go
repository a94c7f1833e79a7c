// Package storetest holds what is on people's disks against the types that read
// it, for tests: a format that changes without a new sample fails. Start at [Hold].
package storetest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// Hold fails unless sample, a record as a Drawbridge once wrote it, is all that
// record's type stands for: each of its members is known, each field of the type is
// in it, and written again it is the same. record is a pointer.
//
// Who adds a field adds it to a new sample, keeps the old one with a test that
// reads it, and raises "v" if an older Drawbridge would lose what the field says.
func Hold(t *testing.T, name string, sample []byte, record any) {
	t.Helper()
	strict := json.NewDecoder(bytes.NewReader(sample))
	strict.DisallowUnknownFields()
	if err := strict.Decode(record); err != nil {
		t.Errorf("%s: a stored record has what nobody reads any more: %v", name, err)
		return
	}
	lacks(t, name, reflect.ValueOf(record).Elem())
	again, err := json.Marshal(record)
	var was, is any
	if err == nil {
		err = json.Unmarshal(again, &is)
	}
	if err == nil {
		err = json.Unmarshal(sample, &was)
	}
	if err != nil || !reflect.DeepEqual(was, is) {
		t.Errorf("%s: written again it is another, %v:\n%s", name, err, again)
	}
}

func lacks(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		if field.Kind() == reflect.Pointer && !field.IsNil() {
			field = field.Elem()
		}
		switch inner := field.Kind() == reflect.Struct && field.Type().PkgPath() != "time"; {
		case f.Tag.Get("json") == "-":
		case inner:
			lacks(t, name+"."+f.Name, field)
		case field.IsZero():
			t.Errorf("%s: the sample lacks %s", name, f.Name)
		}
	}
}
