import com.twilio.http.NetworkHttpClient;
import com.twilio.http.TwilioRestClient;
import com.twilio.rest.verify.v2.service.AccessToken;
import com.twilio.rest.verify.v2.service.entity.Challenge;
import com.twilio.rest.verify.v2.service.entity.Factor;
import java.util.List;
import java.util.Map;
import org.apache.hc.client5.http.HttpRoute;
import org.apache.hc.client5.http.impl.classic.HttpClientBuilder;
import org.apache.hc.core5.http.HttpHost;
import org.apache.hc.core5.net.URIAuthority;

public class Ask {
    public static void main(String[] arguments) throws Exception {
        String url = System.getenv("VERIFY_URL"), service = System.getenv("SERVICE_SID"), person = "ff483d1ff591";
        HttpHost server = HttpHost.create(url);
        HttpClientBuilder http = HttpClientBuilder.create().disableAutomaticRetries()
            .setRoutePlanner((host, context) -> new HttpRoute(server, null, url.startsWith("https:")))
            .addRequestInterceptorFirst((request, entity, context) -> request.setAuthority(new URIAuthority(server)));
        TwilioRestClient client = new TwilioRestClient.Builder(System.getenv("ACCOUNT_SID"), System.getenv("AUTH_TOKEN"))
            .httpClient(new NetworkHttpClient(http)).build();

        String token = AccessToken.creator(service, person, AccessToken.FactorTypes.PUSH).create(client).getToken();
        System.out.printf("%s/authenticator#service=%s&identity=%s&token=%s%n", url, service, person, token);
        System.out.println("Press Enter once the device is enrolled.");
        System.in.read();
        List<Factor> devices = Factor.reader(service, person).firstPage(client).getRecords();
        Challenge challenge = Challenge.creator(service, person, devices.get(devices.size() - 1).getSid())
            .setDetailsMessage("Log in from Lisbon?")
            .setDetailsFields(List.of(Map.of("label", "Place", "value", "Lisbon"))).create(client);
        while (challenge.getStatus() == Challenge.ChallengeStatuses.PENDING) {
            Thread.sleep(1000);
            challenge = Challenge.fetcher(service, person, challenge.getSid()).fetch(client);
        }
        System.out.println(challenge.getStatus());
    }
}
