using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Twilio.Clients;
using Twilio.Http;
using Twilio.Rest.Verify.V2.Service;
using Twilio.Rest.Verify.V2.Service.Entity;

class Countersign : HttpClientHandler
{
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancelled)
    {
        request.RequestUri = new Uri(new Uri(Environment.GetEnvironmentVariable("VERIFY_URL")), request.RequestUri.PathAndQuery);
        return base.SendAsync(request, cancelled);
    }
}

class Ask
{
    static void Main()
    {
        Func<string, string> env = Environment.GetEnvironmentVariable;
        string url = env("VERIFY_URL"), service = env("SERVICE_SID"), person = "ff483d1ff591";
        var http = new SystemNetHttpClient(new System.Net.Http.HttpClient(new Countersign { AllowAutoRedirect = false }));
        var client = new TwilioRestClient(env("ACCOUNT_SID"), env("AUTH_TOKEN"), httpClient: http);

        var token = AccessTokenResource.Create(service, person, AccessTokenResource.FactorTypesEnum.Push, client: client).Token;
        Console.WriteLine($"{url}/authenticator#service={service}&identity={person}&token={token}");
        Console.WriteLine("Press Enter once the device is enrolled.");
        Console.ReadLine();
        var device = FactorResource.Read(service, person, client: client).Last();
        var challenge = ChallengeResource.Create(service, person, device.Sid, detailsMessage: "Log in from Lisbon?",
            detailsFields: new List<object> { new { label = "Place", value = "Lisbon" } }, client: client);
        while (challenge.Status == ChallengeResource.ChallengeStatusesEnum.Pending)
        {
            Thread.Sleep(1000);
            challenge = ChallengeResource.Fetch(service, person, challenge.Sid, client: client);
        }
        Console.WriteLine(challenge.Status);
    }
}
