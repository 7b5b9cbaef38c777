package push

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unicode"

	"code.dny.dev/ssrf"

	"hermod/pkg/hermod"
)

// A Policy says which targets may be pushed to. It is asked twice: for the URL
// when a subscription is written, so that its owner hears of a mistake at once,
// and for the resolved address of every connection that is opened, which is the
// check that holds: a name may resolve to anything, and to something else each
// time.
type Policy struct {
	// plain and secure say which addresses http and https may connect to.
	plain, secure guards
	// ports are those a URL may name; nil is any.
	ports []uint16
	// namesInside allows names that only mean something inside a network.
	namesInside bool
}

// guards allow what one of them allows; none of them, nothing.
type guards []*ssrf.Guardian

func (gs guards) check(to netip.AddrPort) error {
	err := errBlocked
	for _, g := range gs {
		refused := g.SafeAddrPort(to)
		if refused == nil {
			return nil
		}
		err = fmt.Errorf("%w: %w", errBlocked, refused)
	}
	return err
}

// httpsPort is the one port that every policy allows.
const httpsPort = 443

// Strict is the policy on AWS: https to public addresses on port 443 or one of
// the others given. Public is what the IANA special-purpose registries do not
// list. Loopback is refused with the rest: inside Lambda it holds the Runtime
// API, which hands out the events of other owners.
func Strict(otherPorts ...uint16) *Policy {
	ports := append([]uint16{httpsPort}, otherPorts...)
	return &Policy{secure: guards{ssrf.New(ssrf.WithPorts(ports...), withoutWireServer())}, ports: ports}
}

// withoutWireServer denies the address from which Azure runs its machines. It is public
// by the registries, but stands for the inside: whoever reaches it from such a machine gets
// that machine's configuration and certificates.
func withoutWireServer() ssrf.Option {
	return ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32"))
}

// Local is the policy of a single machine: http and https on any port to public
// addresses and to loopback, and still to no private, link-local or metadata
// address.
func Local() *Policy {
	guard := guards{ssrf.New(ssrf.WithAnyPort(), withoutWireServer(),
		ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix("127.0.0.0/8")),
		ssrf.WithAllowedV6Prefixes(netip.MustParsePrefix("::1/128")))}
	return &Policy{plain: guard, secure: guard, namesInside: true}
}

// Emulator is the policy of a deployment on an emulator: Strict, and besides it
// http and https on any port to the networks given, where the tests have their
// receivers. Without networks it is Strict.
func Emulator(networks ...netip.Prefix) *Policy {
	strict := Strict()
	if len(networks) == 0 {
		return strict
	}
	var v4, v6 []netip.Prefix
	for _, n := range networks {
		if n.Addr().Is4() {
			v4 = append(v4, n)
		} else {
			v6 = append(v6, n)
		}
	}
	inside := ssrf.New(ssrf.WithAnyPort(),
		ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("0.0.0.0/0")),
		ssrf.WithAllowedV6Prefixes(v6...), ssrf.WithDeniedV6Prefixes(netip.MustParsePrefix("::/0")))
	return &Policy{plain: guards{inside}, secure: append(guards{inside}, strict.secure...), namesInside: true}
}

// ParseNetworks reads a comma list of CIDR prefixes; an empty text is none.
func ParseNetworks(list string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		n, err := netip.ParsePrefix(entry)
		if err != nil {
			return nil, fmt.Errorf("reading a list of networks: %w", err)
		}
		networks = append(networks, n.Masked())
	}
	return networks, nil
}

// errBlocked marks a connection that the policy refused.
var errBlocked = errors.New("the target policy refuses the address")

// errUnreachable is a name some of whose addresses are blocked, and the others do
// not answer.
var errUnreachable = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no allowed address answers")}

// dial connects like d, and asks about each address that the name resolved to at
// the last moment before the connection is opened. The error is errBlocked where
// every address was refused: one that is allowed may answer another time.
func (gs guards) dial(ctx context.Context, d net.Dialer, network, address string) (net.Conn, error) {
	var someAllowed atomic.Bool
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", errBlocked, err)
		}
		if err := gs.check(to); err != nil {
			return err
		}
		someAllowed.Store(true)
		return nil
	}
	conn, err := d.DialContext(ctx, network, address)
	if errors.Is(err, errBlocked) && someAllowed.Load() {
		return nil, errUnreachable
	}
	return conn, err
}

// urlField is where a target stands in what a subscriber writes.
const urlField = "typeConfiguration.url"

// CheckURL judges a target as it is written. The error is CodeInvalid and names
// typeConfiguration.url. No name is resolved.
func (p *Policy) CheckURL(raw string) error {
	_, err := p.parse(raw)
	return err
}

func badURL(reason string) error {
	return hermod.InvalidFields(hermod.FieldError{Name: urlField, Reason: reason})
}

// maxURL bounds a target's length in bytes.
const maxURL = 2048

// parse checks a target and gives it with its host in normal form.
func (p *Policy) parse(raw string) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, badURL("is required")
	case len(raw) > maxURL:
		return nil, badURL(fmt.Sprintf("must be at most %d bytes", maxURL))
	case strings.ContainsRune(raw, '#'):
		return nil, badURL("must have no fragment")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }):
		return nil, badURL("must have no space, control character or backslash")
	}
	// Of the parser's error nothing is shown: it quotes the whole URL.
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return nil, badURL("must be an absolute URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || p.plain == nil) {
		if p.plain == nil {
			return nil, badURL("must be an https URL")
		}
		return nil, badURL("must be an http or https URL")
	}
	if u.User != nil {
		return nil, badURL("must have no user name or password")
	}
	if u.Host, err = p.checkHost(u); err != nil {
		return nil, err
	}
	return u, nil
}

// checkHost gives the host and port of u in normal form.
func (p *Policy) checkHost(u *url.URL) (string, error) {
	port, err := p.checkPort(u)
	if err != nil {
		return "", err
	}
	name, err := normalHost(u)
	if err != nil {
		return "", err
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		if !p.allows(u.Scheme, addr, port) {
			return "", badURL("must not be a private, local or reserved address")
		}
		if addr.Is6() {
			name = "[" + name + "]"
		}
	} else if !p.namesInside && insideName(name) {
		return "", badURL("must have a host name that is known to the public DNS")
	}
	if u.Port() != "" {
		name += ":" + strconv.Itoa(int(port))
	}
	return name, nil
}

func (p *Policy) checkPort(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, badURL("must name a port after the colon")
		}
		if u.Scheme == "http" {
			return 80, nil
		}
		return httpsPort, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, badURL("must have a port from 1 to 65535")
	}
	if p.ports != nil && !slices.Contains(p.ports, uint16(port)) {
		return 0, badURL(fmt.Sprintf("must have one of the ports %s", joinPorts(p.ports)))
	}
	return uint16(port), nil
}

func joinPorts(ports []uint16) string {
	texts := make([]string, len(ports))
	for i, port := range ports {
		texts[i] = strconv.Itoa(int(port))
	}
	return strings.Join(texts, ", ")
}

// allows reports whether an address that was written as such may be connected to.
func (p *Policy) allows(scheme string, addr netip.Addr, port uint16) bool {
	gs := p.secure
	if scheme == "http" {
		gs = p.plain
	}
	// The dialer unmaps ::ffff:a.b.c.d, so judge what it would connect to.
	return gs.check(netip.AddrPortFrom(addr.Unmap(), port)) == nil
}

// normalHost gives a host in the form in which it will be resolved: an address,
// or a name in lower-case ASCII without a final dot.
func normalHost(u *url.URL) (string, error) {
	name := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(name)
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", badURL("must have an IPv6 address without a zone in its brackets")
		}
		return addr.String(), nil
	}
	// What looks like a digit or a dot in another script becomes one when it is
	// mapped for lookup. A host in ASCII is what it looks like.
	if strings.ContainsFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", badURL("must have a host name in ASCII; an international one in its xn-- form")
	}
	ascii := strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(ascii); err == nil {
		return ascii, nil
	}
	if !validName(ascii) {
		return "", badURL("must have a valid host name")
	}
	return ascii, nil
}

// validName reports whether a name is one that DNS can hold, and no notation of
// an address: resolvers take 0x7f000001, 2130706433, 0177.1 and 127.1 for
// addresses, and the WHATWG URL standard treats every name whose last label is a
// number as one.
func validName(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !labelChar(r) }) {
			return false
		}
		last = label
	}
	if _, err := strconv.ParseUint(last, 10, 64); err == nil {
		return false
	}
	return !strings.HasPrefix(last, "0x") && strings.Trim(last, "0123456789") != ""
}

func labelChar(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

// insideName reports whether a name means something only on one machine or inside
// one network: RFC 6761, 6762 and 8375, ICANN's reservation of .internal, and names
// without a dot, which resolvers complete with a search domain.
func insideName(name string) bool {
	if !strings.Contains(name, ".") {
		return true
	}
	return slices.ContainsFunc([]string{".localhost", ".local", ".internal", ".home.arpa"}, func(suffix string) bool {
		return strings.HasSuffix(name, suffix)
	})
}
