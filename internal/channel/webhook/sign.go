package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How many bytes a secret has.
const (
	MinSecret = 24
	MaxSecret = 64
)

// headers identify and sign one attempt.
func headers(id string, at time.Time, body []byte, secrets [][]byte) http.Header {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}}
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		signatures[i] = sign(secret, id, timestamp, body)
	}
	if len(signatures) > 0 {
		h.Set("Webhook-Signature", strings.Join(signatures, " "))
	}
	return h
}

func sign(secret []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + encoded(mac.Sum(nil))
}

func encoded(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
