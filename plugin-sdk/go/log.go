package plugbus

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
)

// logHandler carries records of log/slog into the plugin's log: the message, then the attributes as key=value.
type logHandler struct {
	host func(context.Context) Host
	text slog.Handler
	line *bytes.Buffer
}

// LogHandler makes the handler that is slog's default in a component, for the given host.
func LogHandler(host Host) slog.Handler {
	return newLogHandler(func(context.Context) Host { return host })
}

func newLogHandler(host func(context.Context) Host) *logHandler {
	line := new(bytes.Buffer)
	leave := func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && (attr.Key == slog.TimeKey || attr.Key == slog.LevelKey || attr.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return attr
	}
	text := slog.NewTextHandler(line, &slog.HandlerOptions{Level: slog.Level(-100), ReplaceAttr: leave})
	return &logHandler{host, text, line}
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	h.line.Reset()
	if err := h.text.Handle(ctx, record); err != nil {
		return err
	}
	line := strings.TrimSpace(record.Message + " " + strings.TrimSpace(h.line.String()))
	h.host(ctx).Log(record.Level, "", line)
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.host, h.text.WithAttrs(attrs), h.line}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.host, h.text.WithGroup(name), h.line}
}
