package sctp

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync"
)

const protocol = "132"

// SCTPAddr is a host, of one address here, and a port.
type SCTPAddr struct {
	IPAddrs []net.IPAddr
	Port    int
}

func (a *SCTPAddr) Network() string { return "sctp" }
func (a *SCTPAddr) String() string {
	host := ""
	if len(a.IPAddrs) > 0 {
		host = a.IPAddrs[0].String()
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port))
}

func ResolveSCTPAddr(_, text string) (*SCTPAddr, error) {
	tcp, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		return nil, err
	}
	out := &SCTPAddr{Port: tcp.Port}
	if tcp.IP != nil {
		out.IPAddrs = []net.IPAddr{{IP: tcp.IP, Zone: tcp.Zone}}
	}
	return out, nil
}

// endpoint is a port, of one family. It sees all of the network namespace's SCTP, and leaves to others what is not for it.
type endpoint struct {
	socket   *net.IPConn
	port     uint16
	accepted chan *SCTPConn // nil: it does not listen
	mutex    sync.Mutex
	peers    map[netip.AddrPort]*SCTPConn
}

func open(network string, port uint16, accepted chan *SCTPConn) (*endpoint, error) {
	socket, err := net.ListenIP(network+":"+protocol, nil)
	if err != nil {
		return nil, err
	}
	e := &endpoint{socket: socket, port: port, accepted: accepted, peers: map[netip.AddrPort]*SCTPConn{}}
	go e.serve()
	return e, nil
}

func (e *endpoint) serve() {
	buffer := make([]byte, 1<<16)
	for {
		size, from, err := e.socket.ReadFromIP(buffer)
		if err != nil {
			return
		}
		p, good := parse(buffer[:size])
		address, _ := netip.AddrFromSlice(from.IP)
		if good && p.to == e.port {
			e.receive(netip.AddrPortFrom(address.Unmap(), p.from), from, p)
		}
	}
}

func (e *endpoint) receive(key netip.AddrPort, from *net.IPAddr, p packet) {
	e.mutex.Lock()
	conn := e.peers[key]
	first := chunk{}
	if len(p.chunks) > 0 {
		first = p.chunks[0]
	}
	if first.kind == chunkInit && len(first.value) >= 16 && e.accepted != nil {
		if conn == nil || conn.peerTag != order.Uint32(first.value) {
			conn = e.associate(from, key)
		}
		p.tag = conn.ownTag
	}
	e.mutex.Unlock()
	if conn == nil || p.tag != conn.ownTag {
		return
	}
	for _, c := range p.chunks {
		conn.receive(c)
	}
}

// associate is called with the lock held.
func (e *endpoint) associate(peer *net.IPAddr, key netip.AddrPort) *SCTPConn {
	conn := &SCTPConn{endpoint: e, peer: &net.IPAddr{IP: append(net.IP(nil), peer.IP...), Zone: peer.Zone}, key: key,
		ownTag: rand.Uint32() | 1, ownTSN: rand.Uint32(), ready: make(chan struct{}), ended: make(chan struct{}),
		messages: make(chan []byte, 64)}
	e.peers[key] = conn
	return conn
}

func (e *endpoint) forget(conn *SCTPConn) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.peers[conn.key] == conn {
		delete(e.peers, conn.key)
	}
	if e.accepted == nil {
		e.socket.Close()
	}
}

// SCTPListener listens at all addresses, whichever it was given.
type SCTPListener struct {
	address   *SCTPAddr
	endpoints []*endpoint
	accepted  chan *SCTPConn
}

func ListenSCTP(_ string, address *SCTPAddr) (*SCTPListener, error) {
	l := &SCTPListener{address: address, accepted: make(chan *SCTPConn, 64)}
	for _, network := range []string{"ip4", "ip6"} {
		e, err := open(network, uint16(address.Port), l.accepted)
		if err != nil {
			l.Close()
			return nil, err
		}
		l.endpoints = append(l.endpoints, e)
	}
	return l, nil
}

func (l *SCTPListener) AcceptSCTP() (*SCTPConn, error) {
	conn, open := <-l.accepted
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l *SCTPListener) Close() error {
	for _, e := range l.endpoints {
		e.socket.Close()
	}
	return nil
}

func (l *SCTPListener) Addr() net.Addr { return l.address }
