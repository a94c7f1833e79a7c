package metrics

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"

	"github.com/drawbridge-app/drawbridge/server/status"
)

func TestWrite(t *testing.T) {
	var c Calls
	for _, took := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond, time.Hour} {
		c.Add("files", status.OK, took)
	}
	c.Add("files", status.Failed, 20*time.Second)
	c.Add("files", status.Refused, 0)
	st := status.Status{State: status.Ready, Version: "1.2.3", Sessions: 7, Tunnel: status.Tunnel{State: "up"}, IDP: status.IDP{State: status.IDPOK},
		Servers: []status.Server{{Name: "files", State: "ok"}, {Name: "odd\"\\\n", State: "failed"}}}
	var b strings.Builder
	Write(&b, st, map[string]int{"call.expired": 3}, &c)
	for _, want := range []string{
		`drawbridge_state{state="ready"} 1`, `drawbridge_state{state="paused"} 0`, `drawbridge_tunnel_state{state="up"} 1`, `drawbridge_provider_state{state="ok"} 1`,
		`drawbridge_sessions 7`, `drawbridge_server_up{server="files"} 1`, `drawbridge_server_up{server="odd\"\\\n"} 0`, `drawbridge_refusals_total{reason="call.expired"} 3`,
		`drawbridge_calls_total{server="files",outcome="ok"} 4`, `drawbridge_calls_total{server="files",outcome="error"} 1`, `drawbridge_calls_total{server="files",outcome="refused"} 1`,
		`drawbridge_call_duration_seconds_bucket{server="files",le="0.005"} 2`, // at most that, and cumulative
		`drawbridge_call_duration_seconds_bucket{server="files",le="0.05"} 3`, `drawbridge_call_duration_seconds_bucket{server="files",le="30"} 4`,
		`drawbridge_call_duration_seconds_bucket{server="files",le="+Inf"} 5`, `drawbridge_call_duration_seconds_count{server="files"} 5`,
		`drawbridge_call_duration_seconds_sum{server="files"} 3620.036`,
	} {
		if !strings.Contains(b.String(), "\n"+want+"\n") {
			t.Errorf("no line %s", want)
		}
	}
	if !regexp.MustCompile(`(?m)^drawbridge_build_info\{version="1\.2\.3",goversion="go[^"]+"\} 1$`).MatchString(b.String()) {
		t.Error("no build info")
	}
	if t.Failed() {
		t.Log(b.String())
	}
	// Prometheus' own reader takes all of it.
	var reader expfmt.TextParser
	families, err := reader.TextToMetricFamilies(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	took := families["drawbridge_call_duration_seconds"].GetMetric()
	if len(took) != 1 || took[0].GetHistogram().GetSampleCount() != 5 || len(took[0].GetHistogram().GetBucket()) != len(bounds)+1 {
		t.Errorf("it reads %v", took)
	}
	for name, family := range families {
		if family.GetHelp() == "" || family.Type == nil || len(family.GetMetric()) == 0 {
			t.Errorf("%s has no help, no type or no figures", name)
		}
	}
}
