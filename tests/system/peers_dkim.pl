#!/usr/bin/perl
# Verify DKIM signatures with Mail::DKIM: peers_dkim.pl DNS.json MESSAGE... prints a JSON list with, for each message,
# the results of its signatures from top to bottom. Keys come from the JSON file ({name: TXT or [TXT...] or null,
# "~TIMEOUT", "~SERVFAIL"}) and from nowhere else.
use strict;
use warnings;
use JSON::PP;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::RR;

sub slurp {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "$path: $!\n";
    local $/;
    return scalar <$in>;
}

my $dns = decode_json(slurp(shift));

no warnings 'redefine';
*Mail::DKIM::DNS::query = sub {
    my ($name, $type) = @_;
    my $records = $type eq 'TXT' ? $dns->{lc $name} : undef;
    if (!defined $records) {
        $@ = 'NXDOMAIN';
        return;
    }
    $records = [$records] unless ref $records;
    die "DNS query timeout\n" if $records->[0] =~ /^~/;
    return map { Net::DNS::RR->new(owner => $name, type => 'TXT', txtdata => [$_ =~ /.{1,255}/gs]) } @$records;
};

my @all;
for my $path (@ARGV) {
    my $verifier = Mail::DKIM::Verifier->new;
    my $done = eval {
        $verifier->PRINT(slurp($path));
        $verifier->CLOSE;
        1;
    };
    push @all, $done ? [map { $_->result } $verifier->signatures] : ["died: $@"];
}
print encode_json(\@all), "\n";
