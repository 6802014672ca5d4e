from wire import refused


def test_the_push_form_describes_what_a_form_must_ask(client, server):
    form = client.verify.v2.forms("form-push").fetch()

    assert form.form_type == "form-push"
    assert form.forms.keys() == {"create_factor", "verify_factor", "create_challenge"}
    assert isinstance(form.form_meta, dict)
    assert form.url == f"{server.url}/v2/Forms/form-push"


def test_there_is_no_other_form(client):
    with refused(404, 20404):
        client.verify.v2.forms("form-pigeon").fetch()
