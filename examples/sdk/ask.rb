require 'twilio-ruby'
require 'uri'

URL = ENV.fetch('VERIFY_URL')
SERVICE = ENV.fetch('SERVICE_SID')
PERSON = 'ff483d1ff591'

class Countersign < Twilio::HTTP::Client
  def request(_host, _port, method, url, *rest)
    server = URI(URL)
    super("#{server.scheme}://#{server.host}", server.port, method, url.sub(%r{\Ahttps?://[^/]+}, URL), *rest)
  end
end

client = Twilio::REST::Client.new(ENV.fetch('ACCOUNT_SID'), ENV.fetch('AUTH_TOKEN'), nil, nil, Countersign.new(timeout: 30))
service = client.verify.v2.services(SERVICE)
person = service.entities(PERSON)

token = service.access_tokens.create(identity: PERSON, factor_type: 'push').token
puts "#{URL}/authenticator#service=#{SERVICE}&identity=#{PERSON}&token=#{token}"
puts 'Press Enter once the device is enrolled.'
$stdout.flush
$stdin.gets
question = { details_message: 'Log in from Lisbon?', details_fields: [{ label: 'Place', value: 'Lisbon' }] }
challenge = person.challenges.create(factor_sid: person.factors.list.last.sid, **question)
while challenge.status == 'pending'
  sleep 1
  challenge = person.challenges(challenge.sid).fetch
end
puts challenge.status
