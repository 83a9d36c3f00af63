package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Backup asks the node at a URL like ws://localhost:9000/ws for a backup, which the caller
// reads to its end and closes. A read fails where the node does not send all of it.
func Backup(ctx context.Context, wsURL, token string) (io.ReadCloser, error) {
	u, err := url.Parse(wsURL)
	if err != nil {
		return nil, err
	}
	u.Scheme = strings.Replace(u.Scheme, "ws", "http", 1)
	u.Path = strings.TrimSuffix(u.Path, "ws") + "backup"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: dialHost, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, dialError(nil, errors.Unwrap(err)) // without the URL, which may hold the token
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == "application/octet-stream" {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // it is only shown
	if resp.StatusCode == http.StatusForbidden || resp.StatusCode == http.StatusUnauthorized {
		return nil, fmt.Errorf("%w (%s): %s", ErrRefused, resp.Status, strings.TrimSpace(string(text)))
	}
	return nil, fmt.Errorf("the node made no backup (%s): %s", resp.Status, strings.TrimSpace(string(text)))
}
