package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	verify "github.com/twilio/twilio-go/rest/verify/v2"
)

var server, service, person = os.Getenv("VERIFY_URL"), os.Getenv("SERVICE_SID"), "ff483d1ff591"

type countersign struct{ client.Client }

func (c *countersign) SendRequest(method string, url string, data url.Values,
	headers map[string]interface{}, body ...byte) (*http.Response, error) {
	return c.Client.SendRequest(method, server+"/"+strings.SplitN(url, "/", 4)[3], data, headers, body...)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	own := &countersign{client.Client{Credentials: client.NewCredentials(os.Getenv("ACCOUNT_SID"), os.Getenv("AUTH_TOKEN"))}}
	api := twilio.NewRestClientWithParams(twilio.ClientParams{Client: own}).VerifyV2
	token := must(api.CreateAccessToken(service, new(verify.CreateAccessTokenParams).SetIdentity(person).SetFactorType("push")))
	fmt.Printf("%s/authenticator#service=%s&identity=%s&token=%s\n", server, service, person, *token.Token)
	fmt.Println("Press Enter once the device is enrolled.")
	fmt.Scanln()
	devices := must(api.ListFactor(service, person, &verify.ListFactorParams{}))
	question := new(verify.CreateChallengeParams).SetFactorSid(*devices[len(devices)-1].Sid)
	question.SetDetailsMessage("Log in from Lisbon?").SetDetailsFields([]interface{}{map[string]string{"label": "Place", "value": "Lisbon"}})
	challenge := must(api.CreateChallenge(service, person, question))
	for ; *challenge.Status == "pending"; time.Sleep(time.Second) {
		challenge = must(api.FetchChallenge(service, person, *challenge.Sid))
	}
	fmt.Println(*challenge.Status)
}
