# An internet for tests: a name server that prints every query, and an HTTP server that says what it was asked for.
use strict; use warnings; use IO::Socket::INET; use Socket; $| = 1;
my ($dns, $web, $names) = @ARGV; # addresses, and NAME=ADDRESS,...
my %address = map { split /=/ } split /,/, $names;
if (!fork) {
    my $listener = IO::Socket::INET->new(LocalAddr => $web, LocalPort => 80, Listen => 64, ReuseAddr => 1) or die "web: $!";
    $SIG{CHLD} = 'IGNORE';
    while (my $client = $listener->accept) {
        next if fork;
        my ($host, $line) = ('-', scalar <$client>);
        while (my $header = <$client>) { last if $header =~ /^\r?\n/; $host = $1 if $header =~ /^host:\s*([^\r\n]+)/i; }
        my $body = "hello from $host\n";
        print $client "HTTP/1.1 200 OK\r\nContent-Length: ", length $body, "\r\nConnection: close\r\n\r\n", $body;
        exit;
    }
}
if (!fork) { # A connection that stays open, and says a line each 100 ms.
    my $listener = IO::Socket::INET->new(LocalAddr => $web, LocalPort => 9000, Listen => 64, ReuseAddr => 1) or die "drip: $!";
    $SIG{CHLD} = 'IGNORE'; $SIG{PIPE} = sub { exit };
    while (my $client = $listener->accept) {
        next if fork;
        while (1) { syswrite($client, "drip\n") or exit; select undef, undef, undef, 0.1; }
    }
}
my $server = IO::Socket::INET->new(LocalAddr => $dns, LocalPort => 53, Proto => 'udp') or die "dns: $!";
print "ready\n";
while (my $peer = $server->recv(my $query, 4096)) {
    my ($id, $flags, $count) = unpack 'n3', $query;
    my ($at, @labels) = (12);
    while (my $length = unpack 'C', substr $query, $at, 1) { push @labels, substr $query, $at + 1, $length; $at += 1 + $length; }
    my $type = unpack 'n', substr $query, $at + 1, 2;
    my $name = lc join '.', @labels;
    print "query $name\n";
    my $known = $address{$name};
    my $answer = $known && $type == 1 ? pack('n n n N n a4', 0xc00c, 1, 1, 5, 4, inet_aton $known) : '';
    my $code = $known ? 0 : 3;
    $server->send(pack('n6', $id, 0x8180 | $code, 1, $answer ? 1 : 0, 0, 0) . substr($query, 12, $at + 5 - 12) . $answer);
}
