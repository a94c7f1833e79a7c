package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/drawbridge-app/drawbridge/server/internal/outbound/proxytest"
)

func TestPublic(t *testing.T) {
	for _, c := range []struct {
		why, addrs string
		public     bool
	}{
		{"the public internet", "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255", true},
		{"the public internet, IPv6", "2606:4700:4700::1111 2a00:1450::1 2001:4860:4860::8888 2001:200:: 2400::1", true},
		{"this network", "0.0.0.0 0.0.0.1 0.255.255.255 ::", false},
		{"loopback", "127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.255 ::1", false},
		{"private networks", "10.0.0.0 10.0.0.1 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 fc00::1 fd00::1 fdff:ffff::1", false},
		{"link-local, where clouds keep their secrets", "169.254.0.0 169.254.169.254 169.254.255.255 fe80::1 febf::1 fe80::1%1 fd00:ec2::254", false},
		{"carrier-grade NAT", "100.64.0.0 100.100.100.200 100.127.255.255", false},
		{"protocol assignments", "192.0.0.0 192.0.0.1 192.0.0.192 192.0.0.255 2001:1::1 2001:20::1 2001:1ff::1", false},
		{"documentation", "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1 3fff:fff::1", false},
		{"benchmarks", "198.18.0.0 198.19.255.255 2001:2::1", false},
		{"multicast, reserved, broadcast", "224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ff02::1 ff0e::1", false},
		{"IPv4-mapped", "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0", false},
		{"IPv4-compatible and -translated", "::127.0.0.1 ::7f00:1 ::ffff:0:7f00:1", false},
		{"NAT64", "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 64:ff9b:1::1", false},
		{"6to4", "2002:7f00:1:: 2002:a00:1::1 2002:808:808::1 192.88.99.1", false},
		{"Teredo", "2001::1 2001:0:7f00:1::1 2001:0:4136:e378:8000:63bf:3fff:fdd2", false},
		{"discard, site-local, unassigned", "100::1 fec0::1 4000::1 5f00::1 1fff::1 fe00::1", false},
	} {
		for _, s := range strings.Fields(c.addrs) {
			if addr := netip.MustParseAddr(s); public(addr) != c.public {
				t.Errorf("%s: public(%s) = %t", c.why, s, !c.public)
			}
		}
	}
	if public(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}

// trap listens on one port of every loopback address there is, and counts.
func trap(t *testing.T) (port string, caught *atomic.Int64) {
	t.Helper()
	caught = &atomic.Int64{}
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = strconv.Itoa(first.Addr().(*net.TCPAddr).Port)
	listeners := []net.Listener{first}
	if six, err := net.Listen("tcp", "[::1]:"+port); err == nil {
		listeners = append(listeners, six)
	}
	for _, l := range listeners {
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				caught.Add(1)
				_ = conn.Close()
			}
		}()
	}
	return port, caught
}

// What is dialled is what is checked: addresses in every spelling, and names
// that resolve to this computer however often they are asked (T14).
func TestPublicReachesNothingHere(t *testing.T) {
	port, caught := trap(t)
	resolveTo(t, "127.0.0.1", "::1", "10.0.0.1", "169.254.169.254")
	t.Setenv("HTTPS_PROXY", "") // else a proxy resolves the names
	t.Setenv("https_proxy", "")
	for _, host := range []string{"localhost", "127.0.0.1", "127.0.0.2", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
		"[2002:7f00:1::]", "[2001:0:7f00:1::1]", "10.0.0.1", "192.168.0.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "198.18.0.1", "255.255.255.255", "[fe80::1]", "[fd00::1]",
		"rebinding.example", "rebinding.example."} {
		resp, err := (*Network)(nil).Public().Get("https://" + host + ":" + port + "/client.json")
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if n := caught.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestPublicClientFollowsNothing(t *testing.T) {
	client := (*Network)(nil).Public()
	if err := client.CheckRedirect(&http.Request{}, nil); err != http.ErrUseLastResponse {
		t.Errorf("CheckRedirect gives %v", err)
	}
	if client.Jar != nil || client.Timeout == 0 {
		t.Error("it keeps cookies, or waits for ever")
	}
}

// By a proxy nobody sees the address, so that only names go there which the
// public internet could have; what needs no proxy is checked as ever.
func TestPublicClientByProxy(t *testing.T) {
	resolveTo(t, "127.0.0.1")
	proxy, company := proxytest.Start(t), proxytest.NewAuthority(t, "Company")
	company.Serve(t, proxy, "client.example.com", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	client := New(Options{Proxy: proxy.URL, NoProxy: []string{"near.example.com"}, CAFile: company.File}).Public()
	resp, err := client.Get("https://client.example.com/client.json")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	for _, host := range []string{"localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0x7f000001", "1.0x7f", "[::1]", "[2606:4700::1111]", "1.1.1.1", "10.0.0.1",
		"intranet", "a.localhost", "printer.local", "db.internal", "x.corp", "host.lan", "1.0.0.127.in-addr.arpa", "client.example.com.", "CLIENT.LOCAL", "near.example.com"} {
		resp, err := client.Get("https://" + host + "/client.json")
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if asked := proxy.Asked(); len(asked) != 1 {
		t.Errorf("the proxy was asked for %q", asked)
	}
}

// resolveTo makes every name resolve to these addresses, until the test ends.
func resolveTo(t *testing.T, addrs ...string) {
	t.Helper()
	before := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = before })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go answerNames(theirs, addrs)
		return ours, nil
	}}
}

// answerNames is a name server at the other end of conn, in the framing of
// RFC 1035 §4.2.2: the resolver uses it where the connection is no packet one.
func answerNames(conn net.Conn, addrs []string) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, int(size[0])<<8|int(size[1]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(query) != nil || len(m.Questions) != 1 {
			return
		}
		q := m.Questions[0]
		m.Response, m.Additionals = true, nil
		for _, a := range addrs {
			addr := netip.MustParseAddr(a)
			header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}
			switch {
			case q.Type == dnsmessage.TypeA && addr.Is4():
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
			case q.Type == dnsmessage.TypeAAAA && addr.Is6():
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}})
			}
		}
		packed, err := m.Pack()
		if err != nil {
			return
		}
		if _, err := conn.Write(append([]byte{byte(len(packed) >> 8), byte(len(packed))}, packed...)); err != nil {
			return
		}
	}
}

// What a server names is on its own side or further out; its own host may be
// wherever it is (a name inside that looks like one outside).
func TestNamedByAServer(t *testing.T) {
	port, caught := trap(t)
	resolveTo(t, "127.0.0.1")
	t.Setenv("HTTPS_PROXY", "")
	t.Setenv("https_proxy", "")
	for _, c := range []struct {
		server, names string
		refused       bool
	}{
		{"tools.example.com", "127.0.0.1 localhost 10.0.0.1 192.168.1.1 169.254.169.254 elsewhere.example.com [::1]", true},
		{"tools.example.com", "tools.example.com TOOLS.example.com", false},
		{"192.168.1.5", "127.0.0.1 [::1] localhost 169.254.169.254 elsewhere.example.com", true},
		{"nas.local", "127.0.0.1 169.254.169.254", true},
		{"127.0.0.1", "169.254.169.254 100.64.0.1" + map[bool]string{false: " 0.0.0.0"}[runtime.GOOS == "windows"], true}, // for which Windows dials 127.0.0.1,
		{"127.0.0.1", "127.0.0.1 elsewhere.example.com", false},
		{"[::1]", "localhost", false},
	} {
		for _, host := range strings.Fields(c.names) {
			before := caught.Load()
			_, err := (*Network)(nil).Named(c.server).Get("http://" + host + ":" + port + "/")
			if errors.Is(err, ErrPrivate) != c.refused || c.refused && caught.Load() != before {
				t.Errorf("%s names %s: %v", c.server, host, err)
			}
		}
	}
}
