package main

import (
	"fmt"
	"net/url"

	"hermod/pkg/api"
	"hermod/pkg/awscfg"
	"hermod/pkg/push"
)

// destinations reads where a node may push, and as whom.
func destinations(c *console, targets, mintURL, rolePrefix string) (o push.Options, err error) {
	if o.Policy, err = policyOf(targets); err != nil {
		return o, err
	}
	if o.Mint, err = push.ParseMint(mintURL, o.Policy); err != nil {
		return o, fmt.Errorf("-mint-url: %w", err)
	}
	if o.AWS, err = onAWS(c, rolePrefix); err != nil {
		return o, fmt.Errorf("-aws-role-prefix: %w", err)
	}
	if o.Endpoints, err = push.ParseEndpoints(c.getenv("HERMOD_TEST_ENDPOINTS")); err != nil {
		return o, fmt.Errorf("HERMOD_TEST_ENDPOINTS: %w", err)
	}
	return o, nil
}

// onAWS is who the environment's credentials say the node is. Credentials alone are
// not enough: those of whoever works at the machine are not meant for it.
func onAWS(c *console, rolePrefix string) (*push.AWS, error) {
	if rolePrefix == "" {
		return nil, nil
	}
	cfg, err := awscfg.Load(c.getenv, awscfg.STS)
	if err != nil {
		return nil, err
	}
	return push.NewAWS(cfg.Region, cfg.Credentials, rolePrefix)
}

func policyOf(targets string) (*push.Policy, error) {
	switch targets {
	case "local":
		return push.Local(), nil
	case "strict":
		return push.Strict(), nil
	default:
		return nil, fmt.Errorf("-targets %q: want local or strict", targets)
	}
}

// publicURL reads where a node is reached; "" for where each request says.
func publicURL(text string) (api.BaseURL, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("-public-url %q: want the URL of a host, such as https://events.example.com", text)
	}
	return api.BaseURL(text), nil
}
