<?php

require __DIR__ . '/vendor/autoload.php';

use Twilio\Http\CurlClient;
use Twilio\Http\Response;
use Twilio\Rest\Client;

class Countersign extends CurlClient
{
    public function request(string $method, string $url, ...$rest): Response
    {
        return parent::request($method, preg_replace('~^https?://[^/]+~', getenv('VERIFY_URL'), $url), ...$rest);
    }
}

[$url, $serviceSid, $identity] = [getenv('VERIFY_URL'), getenv('SERVICE_SID'), 'ff483d1ff591'];
$client = new Client(getenv('ACCOUNT_SID'), getenv('AUTH_TOKEN'), null, null, new Countersign());
$service = $client->verify->v2->services($serviceSid);
$person = $service->entities($identity);

$token = $service->accessTokens->create($identity, 'push')->token;
echo "$url/authenticator#service=$serviceSid&identity=$identity&token=$token\nPress Enter once the device is enrolled. ";
fgets(STDIN);
$devices = $person->factors->read();
$challenge = $person->challenges->create(end($devices)->sid, [
    'detailsMessage' => 'Log in from Lisbon?',
    'detailsFields' => [['label' => 'Place', 'value' => 'Lisbon']],
]);
while ($challenge->status === 'pending') {
    sleep(1);
    $challenge = $person->challenges($challenge->sid)->fetch();
}
echo $challenge->status, "\n";
