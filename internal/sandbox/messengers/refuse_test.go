package messengers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestTelegramRefuses(t *testing.T) {
	s := start(t, Options{})
	long := strings.Repeat("я", telegramLongest)
	for name, c := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"wrong token":    {TelegramPath + "/bot1:x/sendMessage", `{}`, 401, "Unauthorized"},
		"no bot":         {TelegramPath + "/b/sendMessage", `{}`, 404, "Not Found"},
		"other method":   {TelegramPath + "/bot" + DefaultTelegramToken + "/sendMusic", `{}`, 404, "Not Found"},
		"no chat":        {botPath, `{"text":"x"}`, 400, "Bad Request: chat_id is empty"},
		"no text":        {botPath, `{"chat_id":1}`, 400, "Bad Request: message text is empty"},
		"blank text":     {botPath, `{"chat_id":1,"text":" \n"}`, 400, "Bad Request: message text is empty"},
		"too long":       {botPath, `{"chat_id":1,"text":"` + long + `a"}`, 400, "Bad Request: message is too long"},
		"chat of a type": {botPath, `{"chat_id":[1],"text":"x"}`, 400, "Bad Request: can't parse the JSON object"},
		"no JSON":        {botPath, `chat_id=1`, 400, "Bad Request: can't parse the JSON object"},
		"unknown":        {botPath, `{"chat_id":"unknown","text":"x"}`, 400, "Bad Request: chat not found"},
		"blocked":        {botPath, `{"chat_id":"blocked","text":"x"}`, 403, "Forbidden: bot was blocked by the user"},
		"window closed":  {botPath, `{"chat_id":"window-closed","text":"x"}`, 403, "Forbidden: bot can't initiate conversation with a user"},
		"by number":      {botPath, `{"chat_id":999000403,"text":"x"}`, 403, "Forbidden: bot was blocked by the user"},
		"by name":        {botPath, `{"chat_id":"code-502","text":"x"}`, 502, "Bad Gateway"},
		"busy":           {botPath, `{"chat_id":"busy","text":"x"}`, 429, `Too Many Requests: retry after 1","parameters":{"retry_after":1}`},
		"broken":         {botPath, `{"chat_id":"broken","text":"x"}`, 500, "Internal Server Error"},
	} {
		t.Run(name, func(t *testing.T) {
			text := want(t, c.status, s.request("POST", c.path, c.body))
			if says := fmt.Sprintf(`{"ok":false,"error_code":%d,"description":"%s`, c.status, c.says); !strings.HasPrefix(text, says) {
				t.Errorf("answer %s, want %s", text, says)
			}
		})
	}
	want(t, 200, s.request("POST", botPath, `{"chat_id":1,"text":"`+long+`"}`))
	r := s.request("POST", botPath, `{"chat_id":1,"text":"x"}`)
	r.Header.Set("Content-Type", "text/plain")
	want(t, 400, r)
	want(t, 405, s.request("GET", botPath, ""))
	if c := s.Counts().Messengers[Telegram]; c.Requests != 19 || c.Refused != 18 || c.Arrived != 1 {
		t.Errorf("counted %+v", c)
	}
}

func TestViberRefuses(t *testing.T) {
	s := start(t, Options{})
	body := func(receiver, kind, text, sender string) string {
		return fmt.Sprintf(`{"receiver":%q,"type":%q,"text":%q,"sender":{"name":%q}}`, receiver, kind, text, sender)
	}
	for name, c := range map[string]struct {
		token, body string
		code        int
		says        string
	}{
		"wrong token":   {"x", body("a", "text", "x", "Q"), 2, "invalidAuthToken"},
		"no JSON":       {DefaultViberToken, "x", 3, "badData"},
		"other type":    {DefaultViberToken, body("a", "video", "x", "Q"), 3, "badData"},
		"too long":      {DefaultViberToken, body("a", "text", strings.Repeat("я", viberLongest+1), "Q"), 3, "badData"},
		"too large":     {DefaultViberToken, body("a", "text", strings.Repeat("x", 100), "Q") + strings.Repeat(" ", viberLongestBody), 3, "badData"},
		"long sender":   {DefaultViberToken, body("a", "text", "x", strings.Repeat("é", 29)), 3, "badData"},
		"blank":         {DefaultViberToken, body("a", "text", " ", "Q"), 3, "badData"},
		"no sender":     {DefaultViberToken, body("a", "text", "x", ""), 4, "missingData"},
		"no receiver":   {DefaultViberToken, body("", "text", "x", "Q"), 4, "missingData"},
		"unknown":       {DefaultViberToken, body("unknown", "text", "x", "Q"), 5, "receiverNotRegistered"},
		"blocked":       {DefaultViberToken, body("blocked", "text", "x", "Q"), 6, "receiverNotSubscribed"},
		"window closed": {DefaultViberToken, body("window-closed", "text", "x", "Q"), 6, "receiverNotSubscribed"},
		"by name":       {DefaultViberToken, body("code-7", "text", "x", "Q"), 7, "publicAccountBlocked"},
		"busy":          {DefaultViberToken, body("busy", "text", "x", "Q"), 12, "tooManyRequests"},
		"unheard of":    {DefaultViberToken, body("code-99", "text", "x", "Q"), 99, "generalError"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.request("POST", ViberPath+"/pa/send_message", c.body)
			r.Header.Set("X-Viber-Auth-Token", c.token)
			if text := want(t, 200, r); text != fmt.Sprintf(`{"status":%d,"status_message":"%s"}`, c.code, c.says) {
				t.Errorf("answer %s", text)
			}
		})
	}
	want(t, 500, s.send(Viber, "broken", "x"))
	if c := s.Total(); c.Refused != 16 || c.Arrived != 0 {
		t.Errorf("counted %+v", c)
	}
}

func TestWhatsAppRefuses(t *testing.T) {
	s := start(t, Options{})
	good := WhatsAppPath + "/v23.0/" + DefaultPhoneNumberID + "/messages"
	body := func(product, to, kind, text string) string {
		return fmt.Sprintf(`{"messaging_product":%q,"to":%q,"type":%q,"text":{"body":%q}}`, product, to, kind, text)
	}
	fine := body("whatsapp", "4915", "text", "x")
	for name, c := range map[string]struct {
		token, path, body string
		status, code      int
	}{
		"wrong token":   {"x", good, fine, 401, 190},
		"version":       {DefaultWhatsAppToken, WhatsAppPath + "/latest/" + DefaultPhoneNumberID + "/messages", fine, 400, 100},
		"number":        {DefaultWhatsAppToken, WhatsAppPath + "/v23.0/1/messages", fine, 400, 100},
		"no JSON":       {DefaultWhatsAppToken, good, "x", 400, 100},
		"product":       {DefaultWhatsAppToken, good, body("signal", "4915", "text", "x"), 400, 100},
		"nobody":        {DefaultWhatsAppToken, good, body("whatsapp", "", "text", "x"), 400, 100},
		"type":          {DefaultWhatsAppToken, good, body("whatsapp", "4915", "image", "x"), 400, 100},
		"blank":         {DefaultWhatsAppToken, good, body("whatsapp", "4915", "text", " "), 400, 100},
		"too long":      {DefaultWhatsAppToken, good, body("whatsapp", "4915", "text", strings.Repeat("я", whatsAppLongest+1)), 400, 100},
		"unknown":       {DefaultWhatsAppToken, good, body("whatsapp", "unknown", "text", "x"), 400, 131026},
		"blocked":       {DefaultWhatsAppToken, good, body("whatsapp", "blocked", "text", "x"), 400, 131026},
		"window closed": {DefaultWhatsAppToken, good, body("whatsapp", "window-closed", "text", "x"), 400, 131047},
		"busy":          {DefaultWhatsAppToken, good, body("whatsapp", "busy", "text", "x"), 429, 131056},
		"broken":        {DefaultWhatsAppToken, good, body("whatsapp", "broken", "text", "x"), 500, 131000},
		"rate":          {DefaultWhatsAppToken, good, body("whatsapp", "code-130429", "text", "x"), 429, 130429},
		"by number":     {DefaultWhatsAppToken, good, body("whatsapp", "999000131047", "text", "x"), 400, 131047},
		"unheard of":    {DefaultWhatsAppToken, good, body("whatsapp", "code-7", "text", "x"), 400, 7},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.request("POST", c.path, c.body)
			r.Header.Set("Authorization", "Bearer "+c.token)
			var said struct {
				Error whatsAppError `json:"error"`
			}
			if err := json.Unmarshal([]byte(want(t, c.status, r)), &said); err != nil {
				t.Fatal(err)
			}
			if e := said.Error; e.Code != c.code || e.Type != "OAuthException" || e.Trace == "" || !strings.HasPrefix(e.Message, fmt.Sprintf("(#%d) ", c.code)) {
				t.Errorf("error %+v", e)
			}
		})
	}
}

func TestWebhookAnswersAsToldByItsName(t *testing.T) {
	s := start(t, Options{})
	for name, status := range map[string]int{
		"unknown": 404, "blocked": 403, "window-closed": 410, "busy": 429, "broken": 500, "code-307": 307, "code-99": 500, "code-202": 202, "shop": 200,
	} {
		want(t, status, s.send(Webhook, name, `{"n":1}`))
		a := s.list(Query{Recipient: name})
		if len(a) != 1 || a[0].Status != status || (a[0].Times == 1) != (status < 300) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if c := s.Total(); c.Arrived != 2 || c.Refused != 7 || c.Requests != 9 {
		t.Errorf("counted %+v", c)
	}
}

func TestSpecialRecipientsFail(t *testing.T) {
	s := start(t, Options{})
	for _, m := range all {
		for _, name := range Special() {
			_, _, err := do(s.send(m, name, "x"))
			if (err != nil) != (name == lost) {
				t.Errorf("%s to %s: %v", m, name, err)
			}
			for _, a := range s.list(Query{Messenger: m, Recipient: name}) {
				if a.taken() != (name == lost) {
					t.Errorf("%s to %s: %+v", m, name, a)
				}
			}
		}
	}
	if c := s.Total(); c.Arrived != 4 || c.Refused != 20 {
		t.Errorf("counted %+v", c)
	}
}
