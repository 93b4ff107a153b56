// libcni_tool attaches a network namespace with libcni itself: the library inside containerd and podman.
// Its command line is that of cnitool:
//
//	libcni_tool add|check|del|gc|status NETWORK NETNS
//
// NETCONFPATH, CNI_PATH, CNI_ARGS, CAP_ARGS (JSON) and CNI_IFNAME are read from the environment. status
// and gc came with libcni 1.2: the first works where the library has it, the second says what to use.
package main

import (
	"context"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

type prober interface {
	GetStatusNetworkList(ctx context.Context, list *libcni.NetworkConfigList) error
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: libcni_tool add|check|del|gc|status NETWORK NETNS")
	}
	list, err := libcni.LoadConfList(fromEnv("NETCONFPATH", "/etc/cni/net.d"), args[1])
	if err != nil {
		return err
	}
	netns, err := filepath.Abs(args[2])
	if err != nil {
		return err
	}
	rt, err := runtimeConf(netns)
	if err != nil {
		return err
	}
	cni := libcni.NewCNIConfig(filepath.SplitList(os.Getenv("CNI_PATH")), nil)
	return act(args[0], cni, list, rt)
}

func act(verb string, cni *libcni.CNIConfig, list *libcni.NetworkConfigList, rt *libcni.RuntimeConf) error {
	ctx := context.Background()
	switch verb {
	case "add":
		result, err := cni.AddNetworkList(ctx, list, rt)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(ctx, list, rt)
	case "del":
		return cni.DelNetworkList(ctx, list, rt)
	case "status":
		if p, ok := any(cni).(prober); ok {
			return p.GetStatusNetworkList(ctx, list)
		}
		return fmt.Errorf("this libcni has no status; it came with 1.2")
	case "gc":
		// Its arguments are of a type that older versions do not declare, so it cannot be named here.
		return fmt.Errorf("gc is not built in: use cnitool of libcni 1.2 or later")
	}
	return fmt.Errorf("unknown verb %q", verb)
}

func runtimeConf(netns string) (*libcni.RuntimeConf, error) {
	rt := &libcni.RuntimeConf{
		ContainerID: fmt.Sprintf("cnitool-%x", sha512.Sum512([]byte(netns)))[:len("cnitool-")+20],
		NetNS:       netns,
		IfName:      fromEnv("CNI_IFNAME", "eth0"),
	}
	if caps := os.Getenv("CAP_ARGS"); caps != "" {
		if err := json.Unmarshal([]byte(caps), &rt.CapabilityArgs); err != nil {
			return nil, fmt.Errorf("CAP_ARGS: %w", err)
		}
	}
	for _, pair := range strings.FieldsFunc(os.Getenv("CNI_ARGS"), func(r rune) bool { return r == ';' }) {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("CNI_ARGS: expected KEY=VALUE, came %q", pair)
		}
		rt.Args = append(rt.Args, [2]string{key, value})
	}
	return rt, nil
}

func fromEnv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
