// Java's HttpsServer, one for each line of the file that the failure table writes.
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;

public class Server {
    public static void main(String[] args) throws Exception {
        // TLS 1.1 is on this list.
        Security.setProperty("jdk.tls.disabledAlgorithms", "");
        for (var line : Files.readAllLines(Path.of(args[0]))) {
            var site = line.split("\t");
            var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(site[0]));
            var server = site[1].equals("none") ? HttpServer.create(address, 0) : secure(address, site);
            int status = Integer.parseInt(site[6]);
            server.createContext("/", exchange -> {
                exchange.getRequestBody().readAllBytes();
                exchange.sendResponseHeaders(status, -1);
                exchange.close();
            });
            server.start();
        }
    }

    private static HttpsServer secure(InetSocketAddress address, String[] site) throws Exception {
        // The other kind of store refuses a chain that is out of order.
        var keys = KeyStore.getInstance("JKS");
        keys.load(null, null);
        keys.setKeyEntry("server", key(site[4]), new char[0], certificates(site[3]).toArray(Certificate[]::new));
        var presented = KeyManagerFactory.getInstance("SunX509");
        presented.init(keys, new char[0]);

        var roots = KeyStore.getInstance("PKCS12");
        roots.load(null, null);
        roots.setCertificateEntry("ca", certificates(site[7]).iterator().next());
        var believed = TrustManagerFactory.getInstance("PKIX");
        believed.init(roots);

        var context = SSLContext.getInstance("TLS");
        context.init(presented.getKeyManagers(), believed.getTrustManagers(), null);
        var server = HttpsServer.create(address, 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context) {
            @Override
            public void configure(HttpsParameters parameters) {
                var chosen = new SSLParameters();
                chosen.setProtocols(new String[] {site[1]});
                if (site[5].equals("always")) {
                    chosen.setNeedClientAuth(true);
                } else {
                    chosen.setWantClientAuth(site[5].equals("wishes"));
                }
                parameters.setSSLParameters(chosen);
            }
        });
        return server;
    }

    private static Collection<? extends Certificate> certificates(String file) throws Exception {
        try (var stream = Files.newInputStream(Path.of(file))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(stream);
        }
    }

    private static java.security.PrivateKey key(String file) throws Exception {
        var text = Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----|\\s", "");
        return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
    }
}
