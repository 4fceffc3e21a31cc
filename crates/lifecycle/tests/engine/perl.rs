//! What a machine of a few lines runs: Debian's base has Perl, and a web server of a few lines is
//! enough of a machine.

/// PID 1: `/ping` on the kernel's port. `BOOT` is put in by a test.
const MACHINE: &str = r#"#!/usr/bin/perl
use IO::Socket::INET;
$SIG{TERM} = sub { exit 0 };
sub candidate { $ENV{VIVARIUM_CANDIDATE} }
BOOT
my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 20, ReuseAddr => 1) or die;
while (1) {
  my $c = $s->accept or next;
  while (<$c>) { last if /^\r?\n$/ }
  my $text = '{"status":"ok","version":"tiny"}';
  print $c "HTTP/1.0 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
  close $c;
}
"#;

/// `body call` and `body prove`, with the machine's history in `/data/run.json`. `PROVE` is put in by a
/// test. What a cell would keep is the file `/tmp/namespace`, which a snapshot copies to `/data`; a cell
/// runs as long as `/tmp/cell` is there.
const BODY: &str = r#"#!/usr/bin/perl
use strict; use IO::Socket::INET;
sub copy { system("cp", @_) }
my ($word, $method, $path, $json) = @ARGV;
sub up { IO::Socket::INET->new(PeerAddr => "127.0.0.1:8080", Timeout => 1) }
sub say_ { print $_[0]; exit 0 }
sub refuse { print '{"error":{"code":"x","message":"' . $_[0] . '"},"request_id":"x"}'; exit 22 }
sub done { say_('{"status":"completed"}') }
if ($word eq "prove") {
PROVE
  for (1..200) { last if up(); select(undef, undef, undef, 0.05) }
  my $ok = up() ? "true" : "false";
  say_ qq({"ok":$ok,"checks":[{"name":"kernel","ok":$ok,"detail":"tiny","took_ms":1}]});
}
my ($name) = ($json // "") =~ /"name":"([^"]+)"/;
if ($path eq "/ping") { up() ? say_('{"status":"ok"}') : refuse("not yet") }
if ($path eq "/evolve/status") {
  my $run = "null";
  if (open(my $f, "<", "/data/run.json")) { local $/; $run = <$f> }
  say_(qq({"in_progress":true,"executor":"socket","executor_present":true,"latest_run":$run}));
}
if ($path =~ m,/report$,) {
  # An object with all that is in it, wherever it stands.
  $json =~ /"run":(\{(?:[^{}"]++|"(?:\\.|[^"\\])*+"|(?1))*+\})/s or refuse("no run");
  open(my $f, ">", "/data/run.aside"); print $f $1; close $f; rename "/data/run.aside", "/data/run.json"; done();
}
if ($path eq "/evolve/claim") { done() }
if ($path eq "/evolve/queue") {
  $json =~ /"closed":true/ ? open(my $f, ">", "/tmp/closed") : unlink("/tmp/closed"); done();
}
if ($path =~ m,^/executions(\?|$),) {
  say_(-e "/tmp/cell" ? '{"executions":[{"id":"a","execution_id":"a","kernel":"main","state":"running","code":"","last_seq":0,"outputs":[],"input":null,"answer":null}]}' : '{"executions":[]}')
}
if ($path =~ m,^/executions/,) { unlink "/tmp/cell"; say_('{"status":"completed","state":"over"}') }
if ($path eq "/kernels") { say_('{"kernels":[{"name":"main","state":"idle","waiting":' . (-e "/tmp/cell" ? 1 : 0) . '}]}') }
if ($path eq "/cryo/store") {
  copy("/tmp/namespace", "/data/$name"); say_(qq({"status":"completed","name":"$name","saved":["x"],"skipped":[{"name":"t","type":"thread","reason":"no"}],"size_bytes":1,"timing_ms":1}))
}
if ($path eq "/cryo/reload") {
  -e "/data/$name" or refuse("no such snapshot"); copy("/data/$name", "/tmp/namespace");
  say_(qq({"status":"completed","name":"$name","restored":["x"],"failed":[],"timing_ms":1}))
}
if ($method eq "DELETE") { unlink "/data/" . substr($path, 6); done() }
refuse("no such route: $path");
"#;

pub fn machine(boot: &str) -> String {
    MACHINE.replace("BOOT", boot)
}

pub fn body(prove: &str) -> String {
    BODY.replace("PROVE", prove)
}
