"""The words of messages that may stay: protocol words and plain English, none of which is also somebody's name."""

from __future__ import annotations

from prober.redact.documents import exact

# Left out on purpose, because people are called so: will, may, grant, mark, page, case, field, day, long, hall.
WORDS = exact(
    """
    _count _elements _format _id _include _lastupdated _outputformat _revinclude _since _sort _summary _total _type
    _typefilter a about above absent accept acceptable accepted access access_denied access_token account accounts
    acknowledged action active actual add added additional after again against aidbox akamai alert algorithm all allergy
    allergyintolerance allow allowed allows already also although always amazon an and another any anything apache api
    application are argument arguments array as at attempt attempted attribute attributes audience auth authenticate
    authenticated authentication authorization authorization_code authorize authorized authorizes automatically
    available away aws azure bad base based batch be bearer because been before being below between binary blank body
    boolean boot both br broken bulk bundle but by bytes cannot canonical capabilities capability capabilitystatement
    careplan careteam carried cast category cerner certificate certificates chain change changed character characters
    check checked cipher claim claims class client client_assertion client_assertion_type client_credentials client_id
    clients close closed cloudflare code codeableconcept codes codesystem coding column compartment complete completed
    conceptmap concurrent condition conditional configuration configured conflict conform conformance connect connected
    connecterror connecting connection connections connecttimeout constraint contact contain contained containing
    contains content context convert converted cookie correct correctly could count coverage create created creating
    credential credentials criteria current currently custom cycle data database date dates datetime decimal decode
    decoded decompress decryption default define defined definition deflate delete deleted denied deny depth describe
    detail details detected device diagnosticreport did different digest directory disabled disallowed discovery display
    do document documentreference documents does done down download due duplicate duplicates during each either element
    elements else empty enabled encoded encoding encounter encountered end ended endpoint endpoints ensure entered
    entity entries entry enum envoy eof epic error errors estimate estimated event every exactly exceeded exceeds except
    exception exceptions execute executed executing exist existing exists expect expected expired expires expires_in
    explanationofbenefit explicit export exporting expression extension extra fail failed failing failure failures false
    fatal feature fetch fhir fhirpath file files filter finally find finished firely first flight following for
    forbidden forced form format formats found fragment from full function gateway general generate generated get gets
    getting give given global gmt goal gone google grant_type group groups gunicorn gzip had handle handled handler
    handshake hapi has have header headers help helper here hint history host hostname html http https humanname
    hypercorn ibm id id_token identifier identifiers identity if iis illegal illegalargumentexception immunization
    implementation implemented import in inactive include included includes incorrect index indicate indicated
    information informational initial inner input insecure instance instant instead insufficient insufficient_scope
    integer interaction interactions internal into introspection invalid invalid_client invalid_grant invalid_request
    invalid_scope invalid_token invalidrequestexception invariant ioexception is issue issued issuer issues it item
    items its java jetty job jobs json jwks jwt keep kestrel key keys kick kickoff kind known lang large last later
    latest launch least left length less level limit limited line link links linuxforhealth list literal local location
    locked log logged logical login logout longer lookup made maintenance make malformed manifest many map match matched
    matches matching maximum means media medication medicationrequest medications medplum member members message
    messages meta metadata method methods microsoft mime minimum misconfigured mismatch missing mode modified modifier
    more most moved much multiple must name named names narrative ndjson need needed needs negative netty network never
    new next nginx no node non none nor not nothing now null nullpointerexception number numbers oauth object objects
    observation observations occurred of off offset ok old on once one only onto open openresty operation
    operationdefinition operationoutcome operations option optional options or order org organization origin other
    otherwise our out outcome output outside over own package paging parameter parameters parse parsed parser parsing
    part partial password path patient patients pattern peer pending per percent perform performed performing period
    permanent permission permissions permitted phase please poll polling pooltimeout populated port position possible
    practitioner precondition prefer preferred prefix present previous primitive private private_key_jwt problem
    procedure process processed processing processor produce profile profiles progress prohibited property protected
    protocol provenance provide provided provider proxy public published purpose python quantity query questionnaire
    queue queued quota range rate raw reached readerror readtimeout ready realm reason receive received record records
    redirect redirected ref refer reference referenced references referential refresh refresh_token refused register
    registered registration reject rejected related relation relative released remaining remote remoteprotocolerror
    remove removed repeat repeated replace replaced report request requested requester requests require required
    requires reset resolve resolved resource resourcenotfoundexception resources resourcetype resourcetypes respond
    response responses rest restricted result results resume resumed retries retry return returned returns revoked route
    row rule run running runtime same schema scheme scope scopes search searched searches searching searchparameter
    second seconds section secure security see seem self send sending sent separate sequence serialize serialized server
    server_error servers service servicerequest services session set several severity shared should show signature
    signed simple since single site size skip slow smart so some something source sources space specific specification
    specified specify specimen sqlexception ssl sslv3 stack stale standard start started starting state statement status
    step still stop stopped storage store stored stream string structure structuredefinition subject submitted
    subscription subsetted success successful successfully such suffix supplied supply support supported supports
    supposed suspended syntax system table tag target task temporarily temporarily_unavailable temporary tenant
    terminated terminology test text than that the their them then there these they this those though thread threshold
    throttle throttled through time timed timeout timestamp timezone tls tlsv1 to token token_endpoint tokens tomcat too
    total transaction transfer transient transport tried trigger true truncated trust trusted try trying twice type
    types unable unacceptable unauthenticated unauthorized unauthorized_client unavailable unchanged under undertow
    unexpected unexpectedly unhandled unique unit universal unknown unparseable unprocessable unreachable unrecognised
    unrecognized unresolved unsuitable unsupported unsupported_grant_type unsupported_response_type until untrusted
    unusable up update updated upload upstream uri url urls urn use used user username using utc utf util uvicorn valid
    validate validated validation value values valueset various verification verified verify version versions very via
    view violated violation vread wait waiting want warning was we weak web wellknown went were werkzeug what when where
    whether which while who whole why window with within without word work would write writetimeout writing written
    wrong xml yet you your zero zip zone
    """
)
PHRASES = (
    "HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3", "TLS 1.0", "TLS 1.1",
    "TLS 1.2", "TLS 1.3", "SSLv3", "UTF-8", "FHIR R4", "FHIR STU3", "FHIR DSTU2", "FHIR 4.0.1", "FHIR 3.0.2",
    "IP address", "CA certificate", "EE certificate", "record layer",
    "FHIR 1.0.2", "OAuth 2.0", "OAuth2", "base64", "ISO-8859-1", "SHA-256", "RS384", "ES384", "RS256", "ES256",
    "X.509", "application/fhir+json", "application/json", "IPv4", "IPv6", "application/fhir+xml",
    "application/fhir+ndjson",
)  # fmt: skip
